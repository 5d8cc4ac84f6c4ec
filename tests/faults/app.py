"""The Celery app with fault points: `celery -A tests.faults.app worker`, armed through $TALLY_FAULTS."""

import os
from pathlib import Path

from project.celery import app
from tests.faults.points import Faults, install
from tests.support.requests_topic import trust_callers_times

__all__ = ("app",)

trust_callers_times()
install(Faults(Path(os.environ["TALLY_FAULTS"])))
