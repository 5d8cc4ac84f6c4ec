"""The UTC calendar minute: the unit in which Tally counts, seals and publishes.

Pure: nothing here reads a clock. Time comes in as Unix seconds, and on the main path it is Redis's.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

SECONDS = 60
_TEXT = re.compile(r"[0-9]{12}")
_FORMAT = "%Y%m%d%H%M"


@dataclass(frozen=True, order=True, slots=True)
class Minute:
    """One minute, held as the number of whole minutes since the Unix epoch."""

    number: int

    @classmethod
    def at(cls, seconds: float) -> Self:
        """The minute that the Unix time `seconds` lies in."""
        return cls(int(seconds // SECONDS))

    @classmethod
    def at_milliseconds(cls, milliseconds: int) -> Self:
        """The minute that a time in Unix milliseconds lies in, as Kafka gives it."""
        return cls(milliseconds // (SECONDS * 1000))

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """The minute written `yyyyMMddHHmm`. Raises ValueError for anything else."""
        text = text.decode() if isinstance(text, bytes) else text
        try:
            # strptime alone would read `2026112308011` and digits of any script
            start = datetime.strptime(f"{text}+0000" if _TEXT.fullmatch(text) else "", f"{_FORMAT}%z")
        except ValueError:
            raise ValueError(f"{text!r} is not a minute: write it yyyyMMddHHmm, in UTC") from None
        return cls.at(start.timestamp())

    def __str__(self) -> str:
        return self.start.strftime(_FORMAT)

    def __add__(self, minutes: int) -> Self:
        return type(self)(self.number + minutes)

    def __sub__(self, minutes: int) -> Self:
        return type(self)(self.number - minutes)

    @property
    def start(self) -> datetime:
        """Its first instant, in UTC."""
        return datetime.fromtimestamp(self.number * SECONDS, UTC)

    @property
    def end(self) -> float:
        """Its first instant no longer in it, in Unix seconds."""
        return float((self.number + 1) * SECONDS)

    def is_closed(self, now: float) -> bool:
        """Whether it is over at the Unix time `now`."""
        return now >= self.end

    def through(self, last: Self) -> Iterator[Self]:
        """This minute and every one after it, up to and including `last`."""
        return (type(self)(number) for number in range(self.number, last.number + 1))


EPOCH = Minute(0)
"""The first minute there is; earlier than any that is counted."""
