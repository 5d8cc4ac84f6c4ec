"""The flush's manners: long steps in a nice thread, while there is time."""

import os
import threading
from collections.abc import Iterator

import pytest

from tasks.publishing.manners import NICENESS, Manners

OWN = os.getpriority(os.PRIO_PROCESS, 0)
NICE = min(OWN + NICENESS, 19)


def niceness_of_each(chunks: int, seen: list[int]) -> Iterator[None]:
    """Chunks of work that note how nice the thread is that they run in."""
    for _ in range(chunks):
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        yield


def test_a_long_step_is_nice_and_the_caller_stays_as_it_was() -> None:
    seen: list[int] = []
    Manners().exhaust(niceness_of_each(3, seen))
    assert seen == [NICE] * 3
    assert os.getpriority(os.PRIO_PROCESS, 0) == OWN


def test_when_time_is_up_the_caller_finishes_the_step_itself() -> None:
    seen: list[int] = []
    manners = Manners(2.5, lambda: len(seen))  # a second a chunk
    manners.exhaust(niceness_of_each(5, seen))
    assert seen == [NICE] * 3 + [OWN] * 2
    manners.exhaust(niceness_of_each(2, seen))
    assert seen[5:] == [OWN] * 2


def test_what_a_step_raises_is_raised() -> None:
    def broken() -> Iterator[None]:
        yield
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Manners().exhaust(broken())
