"""How much a log may hold: a bound for each line, and one for the lines of a second, whoever causes them."""

import json
import logging
import threading
import time

MAX_LINE = 8192
"""Characters. What callers send may be repeated in a line, and a traceback has no end of its own."""

LINES_PER_SECOND = 200
"""Of a logger, in a process: more than a flush that catches up, or the callbacks, have to say."""

LINES_OF_REQUESTS = 20
"""The same for those that write at requests, which anybody may send."""

OF_REQUESTS = ("django", "django_structlog")

CUT = " […] "


class LineRate(logging.Filter):
    """Lets so many lines of each logger through. The next one that passes says how many did not."""

    def __init__(self) -> None:
        super().__init__()
        self._seconds: dict[str, _Second] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether there is room; names of loggers are the code's, so they are few."""
        with self._lock:
            second = self._seconds.setdefault(record.name, _Second(_room(record.name)))
            passes = second.takes(time.monotonic())
            if passes:
                record.left_out, second.left_out = second.left_out, 0
        if not passes:
            from counter.telemetry import metrics  # noqa: PLC0415  (the settings say where it counts, and logs come first)

            metrics.LINES_LEFT_OUT.inc()
        return passes


class _Second:
    """The lines of one logger since the second began."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._end = 0.0
        self._lines = 0
        self.left_out = 0

    def takes(self, now: float) -> bool:
        if now >= self._end:
            self._end, self._lines = now + 1, 0
        self._lines += 1
        is_room = self._lines <= self._room
        self.left_out += not is_room
        return is_room


def _room(logger: str) -> int:
    return LINES_OF_REQUESTS if logger.partition(".")[0] in OF_REQUESTS else LINES_PER_SECOND


def cut_json(line: str) -> str:
    """A line that is a JSON object, with its long values cut until it fits into MAX_LINE."""
    event, longest = json.loads(line), MAX_LINE
    while len(line) > MAX_LINE and longest:
        longest //= 2
        line = json.dumps({name: _cut_value(value, longest) for name, value in event.items()})
    return line


def cut_text(text: str, longest: int = MAX_LINE) -> str:
    """Its beginning and its end, in at most `longest` characters or those of CUT."""
    if len(text) <= longest:
        return text
    half = max(0, longest - len(CUT)) // 2
    return text[:half] + CUT + text[len(text) - half :]


def _cut_value(value: object, longest: int) -> object:
    text = value if isinstance(value, str) else json.dumps(value)
    return value if len(text) <= longest else cut_text(text, longest)
