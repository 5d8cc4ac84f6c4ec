"""Every setting, from the environment; `.env.example` lists them with their defaults."""

import logging
import os
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

from celery.schedules import crontab
from csp import constants as csp

from counter import task_names
from counter.telemetry import metric_room
from counter.version import VERSION
from project.environment import Environment

env = Environment()

TALLY_HOME = Path(env.str("TALLY_HOME", default=".tally")).absolute()

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY and (TALLY_HOME / "secret_key").exists():
    SECRET_KEY = (TALLY_HOME / "secret_key").read_text()  # as `make run` made it
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
PORT = env.int("PORT", default=8000)
BIND_HOST = env.str("BIND_HOST", default="") or "0.0.0.0"  # noqa: S104  (in a container there is no other way in)
BEHIND_TLS = env.bool("BEHIND_TLS", default=False)

# What Tally counts with

REDIS_URL = env.str("REDIS_URL", default=f"redis://127.0.0.1:{env.int('REDIS_PORT', default=6379)}/0")
KAFKA_BOOTSTRAP_SERVERS = env.str(
    "KAFKA_BOOTSTRAP_SERVERS", default=f"127.0.0.1:{env.int('KAFKA_PORT', default=9092)}"
)
# Files in PEM: whom to trust, and for servers that ask for one a certificate and its key
REDIS_SSL_CA = env.str("REDIS_SSL_CA", default="")
REDIS_SSL_CERT = env.str("REDIS_SSL_CERT", default="")
REDIS_SSL_KEY = env.str("REDIS_SSL_KEY", default="")
# What redis-py is told beside a url of TLS.
REDIS_TLS = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True} | {
    name: path
    for name, path in {
        "ssl_ca_certs": REDIS_SSL_CA,
        "ssl_certfile": REDIS_SSL_CERT,
        "ssl_keyfile": REDIS_SSL_KEY,
    }.items()
    if path
}
REDIS_SENTINEL_PASSWORD = env.str("REDIS_SENTINEL_PASSWORD", default="")
KAFKA_SECURITY_PROTOCOL = env.str("KAFKA_SECURITY_PROTOCOL", default="PLAINTEXT")
KAFKA_SASL_MECHANISM = env.str("KAFKA_SASL_MECHANISM", default="")
KAFKA_SASL_USERNAME = env.str("KAFKA_SASL_USERNAME", default="")
KAFKA_SASL_PASSWORD = env.str("KAFKA_SASL_PASSWORD", default="")
KAFKA_SSL_CA = env.str("KAFKA_SSL_CA", default="")
KAFKA_SSL_CERT = env.str("KAFKA_SSL_CERT", default="")
KAFKA_SSL_KEY = env.str("KAFKA_SSL_KEY", default="")
KAFKA_CLIENT_RACK = env.str("KAFKA_CLIENT_RACK", default="")
KAFKA_TOPIC_PREFIX = env.str("KAFKA_TOPIC_PREFIX", default="")
ACCEPT_SINK = env.str("ACCEPT_SINK", default="redis")
ACCEPT_REPLICAS = env.int("ACCEPT_REPLICAS", default=0)
REDIS_BUCKETS = env.int("REDIS_BUCKETS", default=1)
COUNTERS = tuple(filter(None, map(str.strip, env.list("COUNTERS", default=[]))))
PUBLISH_ID_COUNTS = env.bool("PUBLISH_ID_COUNTS", default=True)
ID_COUNTS_RETENTION_DAYS = env.int("ID_COUNTS_RETENTION_DAYS", default=7)
ACCEPT_TOKEN = env.str("ACCEPT_TOKEN", default="")
CALLBACK_ALLOWED_HOSTS = env.list("CALLBACK_ALLOWED_HOSTS", default=[])
CALLBACK_SIGNING_KEY = env.str("CALLBACK_SIGNING_KEY", default="")

# prometheus_client looks for it in the environment when it is imported, and writes when a metric is made.
METRICS_FOLDER = metric_room.prepare(os.environ.get(metric_room.VARIABLE) or str(TALLY_HOME / "metrics"))
METRICS_PORT = env.int("METRICS_PORT", default=0)

# Django

INSTALLED_APPS = [
    "console.apps.ConsoleConfig",
    "console.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "django_structlog",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "counter",
    "tasks",
]

MIDDLEWARE = [
    "project.request_limit.limit",
    "servestatic.middleware.ServeStaticMiddleware",
    "counter.accepting.caches.NoStore",  # of all but those files, so before anything that may answer
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "project.telemetry.request_log.RequestLog",
    "axes.middleware.AxesMiddleware",
]

# What a browser is told. All scripts and styles are files of ours.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [csp.SELF],
        "img-src": [csp.SELF, "data:"],  # the icons in the styles of the API's page
        "object-src": [csp.NONE],
        "base-uri": [csp.NONE],
        "form-action": [csp.SELF],
        "frame-ancestors": [csp.NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

if BEHIND_TLS:
    # As ops/nginx/tally.conf sets it, whatever its caller sent: without a proxy that does so, anybody could.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]  # which are asked from inside
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
# Browsers' list of hosts for which TLS is a must is for whole domains, and for their owner to decide on.
SILENCED_SYSTEM_CHECKS = ["security.W021"]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"
WSGI_APPLICATION = "project.wsgi.application"
STATIC_URL = "/static/"
SERVESTATIC_USE_FINDERS = True  # the packages' own files, so that nothing has to be collected first
TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# A path is no url: it may have a + or a # in it.
SQLITE = {"ENGINE": "project.sqlite", "NAME": str(TALLY_HOME / "tally.sqlite3")}
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db("DATABASE_URL") if env.str("DATABASE_URL", default="") else SQLITE
}

# Log-ins: after so many failures, no password of that client's is looked at for a while
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AXES_CLIENT_IP_CALLABLE = "console.accounts.log_ins.client"
AXES_LOCKOUT_PARAMETERS = ["ip_address"]  # a name would let anybody lock its owner out
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
PASSWORD_HASHERS = ["console.accounts.hashing.NicePBKDF2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "counter.api.problems.handle",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Tally",
    "DESCRIPTION": "Counts unique ids per minute, exactly. Errors of `/api/v1/` are problems after RFC 9457.",
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.1",
    "SERVERS": [{"url": "/", "description": "this Tally"}],
    "LICENSE": {"name": "MIT", "identifier": "MIT"},
    "CONTACT": {"name": "Tally", "url": "https://github.com/example/tally"},
    "TAGS": [
        {"name": "accepting", "description": "Calls and batches of them"},
        {"name": "reading", "description": "Minutes that wait, and minutes that are published"},
        {"name": "operating", "description": "For load balancers, orchestrators and Prometheus"},
    ],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "counter.api.schema.hooks.complete",
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    # The page's own files, so that it works offline.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {
        "deepLinking": False
    },  # a link would be within the button that opens an operation
}

# Where the console's headline leads to, as the alerts of ops/prometheus do.
RUNBOOK_URL = env.str("RUNBOOK_URL", default="https://github.com/example/tally/blob/main/docs/operations.md")

# Logs: see project/telemetry/logs.py
LOG_FORMAT = env.str("LOG_FORMAT", default="console" if DEBUG else "json")
LOGGING_CONFIG = "project.telemetry.logs.configure"
LOGGING = {"format": LOG_FORMAT}
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = logging.INFO
# A line for the end of a request is enough; tasks say themselves what they did.
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_CELERY_DEFAULT_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_CELERY_TASK_RETRY_LOG_LEVEL = logging.DEBUG

# Celery

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
