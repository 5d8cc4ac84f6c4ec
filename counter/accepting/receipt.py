"""The receipt of a batch call: what of it is counted, and its answer."""

from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from counter.accepting.accept_call import RETRY_AFTER_SECONDS
from counter.accepting.problem import Problem
from counter.ids import Id
from counter.minute import Minute
from counter.sinks.outcome import Accepted, Done, Parts, Unavailable


@dataclass(slots=True)
class Receipt:
    """What a batch call has counted so far."""

    minute: Minute | None = None
    accepted: int = 0
    unique: int | None = 0
    """None where it can't be known yet: events are counted later."""
    refused: list[Id] = field(default_factory=list)
    """The ids whose calls could not be counted."""

    def noting(self, parts: Parts) -> Done:
        """What notes what becomes of these parts."""

        def note(number: int, outcome: Accepted | Unavailable) -> None:
            if isinstance(outcome, Unavailable):
                self.refused += parts[number]
            else:
                self.minute = max(outcome.minute, self.minute or outcome.minute)
                self.accepted += len(parts[number])
                known = self.unique is not None and outcome.new is not None
                self.unique = (self.unique or 0) + (outcome.new or 0) if known else None

        return note

    def refuse(self, parts: Parts) -> None:
        """These were not even sent."""
        self.refused += chain.from_iterable(parts.values())

    @property
    def answer(self) -> dict[str, Any]:
        """The answer, once all is counted."""
        return {"minute": str(self.minute), "accepted": self.accepted, "unique": self.unique}

    @property
    def cut_short(self) -> Problem:
        """The answer when Redis, or in event mode Kafka, went away."""
        return Problem(
            503,
            f"{self.accepted} calls are counted, the others could not be: repeat those in `refused` alone",
            {"accepted": self.accepted, "refused": self.refused},
            [("Retry-After", str(RETRY_AFTER_SECONDS))],
        )
