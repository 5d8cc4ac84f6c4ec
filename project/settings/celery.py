"""Celery: its broker, its queues, its workers, and when beat sends what."""

from celery.schedules import crontab

from counter import task_names
from project.environment import env
from project.settings.counting import REDIS_TLS, REDIS_URL

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default=REDIS_URL)
CELERY_BROKER_USE_SSL = REDIS_TLS if CELERY_BROKER_URL.startswith("rediss") else {}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Then another worker gets what a killed one had in hand. Longer than a flush takes, and than a callback
    # waits for its next try and its turn; so short that it is not stale by then.
    "visibility_timeout": 300,
    "socket_timeout": 5,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 15,
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = None
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_DEFAULT_QUEUE = task_names.FLUSH_QUEUE
CELERY_TASK_ROUTES = (
    task_names.route,
    dict.fromkeys(
        (task_names.FLUSH, task_names.HISTORY, task_names.MARK, task_names.AUDIT), task_names.FLUSH_QUEUE
    ),
)
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Retries of callbacks wait in the worker's memory: no more of them than this.
CELERY_WORKER_ETA_TASK_LIMIT = 1000
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "project.beat.Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
CELERY_BEAT_SCHEDULE = {
    "flush-closed-minutes": {
        "task": task_names.FLUSH,
        "schedule": crontab(),
        # A tick that waited this long has been overtaken by the next one.
        "options": {"expires": 60},
    },
    # Nothing where there are no events.
    "mark-minute": {
        "task": task_names.MARK,
        "schedule": crontab(),
        "options": {"expires": 60},
    },
}
REDBEAT_REDIS_OPTIONS = {
    "socket_timeout": 5,
    "socket_connect_timeout": 5,
    "retry_period": 10,
} | CELERY_BROKER_USE_SSL
# Five loops, so that one slow loop does not cost the lead; a dead leader is replaced after it.
REDBEAT_LOCK_SECONDS = 25
