"""Verdict: how things are."""

from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings

from console.level import Level


class Section(StrEnum):
    """A section of the runbook, docs/operations.md, by its anchor."""

    OVERWRITTEN = "overwritten-keys"
    REDIS_DOWN = "tallyredisdown"
    STOPPED = "when-publishing-stops"
    MINUTE_OVERDUE = "tallyminuteoverdue"
    PARTITION_BEHIND = "tallypartitionbehind"
    REFUSING = "tallyrefusing"
    FLUSH_FAILING = "tallyflushfailing"
    REDIS_UNSAFE = "tallyredisunsafe"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One sentence that says how things are, and one that says what to do about it."""

    level: Level
    title: str
    advice: str = ""
    section: Section | None = None
    """The one that says more"""

    @property
    def runbook(self) -> str:
        """The section's url."""
        return f"{settings.RUNBOOK_URL}#{self.section}" if self.section else ""
