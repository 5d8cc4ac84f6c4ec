"""Outages: which calls this process refuses now because nobody takes them, and why. `/readyz` says so."""

import time

FRESH_SECONDS = 3.0
"""So long a refusal says something of the next call: where no call comes, none can show that it is over."""


class Outages:
    """Those of one process, by the bucket whose calls are refused, or the topic. Thread-safe."""

    def __init__(self) -> None:
        self._reasons: dict[int | str, tuple[float, str]] = {}

    def begin(self, part: int | str, why: str) -> None:
        """A call was refused; also to be told again while calls are refused without being tried."""
        self._reasons[part] = time.monotonic(), why

    def end(self, part: int | str) -> None:
        """A call was taken."""
        if self._reasons:
            self._reasons.pop(part, None)

    def reasons(self) -> list[str]:
        """Each once; none where calls are taken, as far as is known."""
        now = time.monotonic()
        found = list(self._reasons.values())
        return list(dict.fromkeys(why for since, why in found if now - since < FRESH_SECONDS))


CURRENT = Outages()
"""Of this process."""
