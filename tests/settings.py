"""Settings of a test process: servers, ports and data of its own, and so for those that it starts."""

import atexit
import os
import shutil
import tempfile

from embedded.ports import free_port

outer = os.environ["TALLY_HOME"] if "PYTEST_XDIST_WORKER" in os.environ else None
home = tempfile.mkdtemp(prefix="tally-test-", dir=outer)
atexit.register(shutil.rmtree, home, ignore_errors=True)
os.environ.update(
    DJANGO_SETTINGS_MODULE="project.settings",
    ENV_FILE="",
    SECRET_KEY="only-for-tests-and-long-enough-that-nobody-could-guess-it",
    TALLY_HOME=home,
    REDIS_PORT=str(free_port()),
    KAFKA_PORT=str(free_port()),
)
for name in (
    "REDIS_URL",
    "KAFKA_BOOTSTRAP_SERVERS",
    "KAFKA_TOPIC_PREFIX",
    "CELERY_BROKER_URL",
    "DATABASE_URL",
    "ACCEPT_TOKEN",
    "PROMETHEUS_MULTIPROC_DIR",
):
    os.environ.pop(name, None)

from project.settings import *  # noqa: E402, F403

DATABASES["default"]["TEST"] = {"NAME": ":memory:"}  # noqa: F405  (pytest-django knows so of Django's own SQLite alone)
