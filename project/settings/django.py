"""Django: its applications, what a browser is told, the database and log-ins."""

from datetime import timedelta
from typing import Any

from csp import constants as csp

from project.environment import env
from project.settings.counting import TALLY_HOME

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY and (TALLY_HOME / "secret_key").exists():
    SECRET_KEY = (TALLY_HOME / "secret_key").read_text()  # as `make run` made it
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
PORT = env.int("PORT", default=8000)
BIND_HOST = env.str("BIND_HOST", default="") or "0.0.0.0"  # noqa: S104  (in a container there is no other way in)
BEHIND_TLS = env.bool("BEHIND_TLS", default=False)

# Where the console's headline leads to, as the alerts of ops/prometheus do.
RUNBOOK_URL = env.str("RUNBOOK_URL", default="https://github.com/example/tally/blob/main/docs/operations.md")

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
