"""Verdict: how things are."""

from dataclasses import dataclass

from console.level import Level


@dataclass(frozen=True, slots=True)
class Verdict:
    """One sentence that says how things are, and one that says what to do about it."""

    level: Level
    title: str
    advice: str = ""
