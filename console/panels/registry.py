"""The health panels: one for each thing that Tally leans on.

A panel is asked in a request of its own, so that one that has to wait keeps nothing else waiting.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from console.level import Level


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a panel."""

    label: str
    value: str
    level: Level = Level.OK
    share: float | None = None
    """Of a whole, from 0 to 1, to be shown as a bar"""
    page: str = ""
    """The name of the page that has more of it"""


AWAY = (OperationalError, RedisError)
"""What is raised while Redis or Celery's broker does not answer."""

Panel = Callable[[], Iterator[Fact]]
_panels: dict[str, Panel] = {}


def panel(name: str) -> Callable[[Panel], Panel]:
    """Add a panel under this name, after those that are there. It must not raise when its thing is away."""

    def add(function: Panel) -> Panel:
        _panels[name] = function
        return function

    return add


def names() -> list[str]:
    """Of all panels, in the order they are shown in."""
    return list(_panels)


def read(name: str) -> tuple[Level, list[Fact]]:
    """What a panel says, and the worst of it. Raises KeyError for an unknown one."""
    facts = list(_panels[name]())
    return max((fact.level for fact in facts), key=list(Level).index, default=Level.OK), facts
