"""How every process logs: a JSON object a line, or lines for a developer's eye. Never a secret."""

import json
import logging.config
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from structlog.typing import EventDict, Processor, WrappedLogger
from typing_extensions import override

from counter.telemetry import tracing
from project.telemetry.log_bounds import MAX_LINE, cut_json, cut_text

JSON, CONSOLE = "json", "console"

SECRET_SETTING = re.compile("SECRET|TOKEN|PASSWORD|SIGNING_KEY").search
MIN_SECRET = 8
"""Characters. A shorter word is no secret, and may be part of what has to be read."""

QUIET = {
    # These log a line for every call or task; Tally's own lines say more.
    "celery.app.trace": "WARNING",
    "celery.worker.strategy": "WARNING",
    "httpx": "WARNING",
    # Its line for every answer from 400 on is that of request_log.py, which leaves refused calls out.
    "django.request": "CRITICAL",
}


def configure(config: dict[str, str]) -> None:
    """What Django calls with `settings.LOGGING`, and Celery's processes as well."""
    logging.config.dictConfig(_standard_library())
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_context(),
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


class Line(structlog.stdlib.ProcessorFormatter):
    """Makes a line of a record, as `settings.LOGGING` says."""

    def __init__(self) -> None:
        super().__init__(
            foreign_pre_chain=_context(),
            processors=[_add_left_out, self.remove_processors_meta, *_renderers(settings.LOGGING["format"])],
        )
        self._cut = cut_json if settings.LOGGING["format"] == JSON else cut_text
        self._find_secrets = _any_of(_secrets())

    @override
    def format(self, record: logging.LogRecord) -> str:
        """Secrets are taken out at the very end, however they got into the line, and only then is it cut."""
        line = self._find_secrets.sub("***", super().format(record))
        return line if len(line) <= MAX_LINE else self._cut(line)


def _standard_library() -> dict[str, Any]:
    """The configuration of `logging`, through which structlog's lines go as well."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": Line}},
        "filters": {"rate": {"()": "project.telemetry.log_bounds.LineRate"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["rate"]}},
        "root": {"handlers": ["console"], "level": "INFO"},
        "loggers": {
            "django": {"handlers": [], "level": "INFO"},  # it brings handlers of its own
            **{name: {"level": level} for name, level in QUIET.items()},
        },
    }


def _context() -> list[Processor]:
    """What every line says beside its own: where it comes from, and what it belongs to."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_span,
    ]


def _add_span(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    return {**event, **tracing.current.ids()}


def _add_left_out(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    left_out = getattr(event["_record"], "left_out", 0)
    return {**event, "left_out": left_out} if left_out else event


def _renderers(format: str) -> list[Processor]:
    if format == JSON:
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    # A traceback with the values of variables would show secrets.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=plain, pad_event_to=0)]


def _any_of(secrets: Iterable[str]) -> re.Pattern[str]:
    """Finds them, also as they are written in JSON and in a url."""
    spellings = {each for secret in secrets for each in (secret, json.dumps(secret)[1:-1], quote(secret))}
    longest_first = sorted(spellings, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")


def _secrets() -> Iterator[str]:
    for name in dir(settings):
        value = _setting(name) if name.isupper() else None
        if isinstance(value, str):
            found = value if SECRET_SETTING(name) else _password(value)
            if found and len(found) >= MIN_SECRET:
                yield found
    for database in settings.DATABASES.values():
        if len(password := database.get("PASSWORD") or "") >= MIN_SECRET:
            yield password


def _setting(name: str) -> object:
    try:
        return getattr(settings, name)
    except ImproperlyConfigured:  # an empty SECRET_KEY, which a command without need of it may have
        return None


def _password(text: str) -> str | None:
    try:
        return urlsplit(text).password
    except ValueError:  # it is no url
        return None
