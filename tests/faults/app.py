"""The Celery app with fault points: `celery -A tests.faults.app worker`, armed through $TALLY_FAULTS."""

import os
from pathlib import Path

from project.celery import app
from tests.faults.points import Faults, install

__all__ = ("app",)

install(Faults(Path(os.environ["TALLY_FAULTS"])))
