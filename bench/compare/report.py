"""The comparison as tables."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from msgspec.json import decode, encode, format

from bench.compare.measure import LATE, LIMIT_SECONDS, SILENT_SECONDS, Backlog, Killed, Live
from bench.machine import DOCS
from bench.reporting.markdown import table


@dataclass
class Results:
    """All of one run."""

    machine: dict[str, str]
    events: int
    backlogs: dict[int, dict[str, Backlog]] = field(default_factory=dict)
    """By ids a minute, by engine"""
    killed: dict[str, Killed] = field(default_factory=dict)
    live: dict[str, Live] = field(default_factory=dict)
    engines: dict[str, tuple[int, bool]] = field(default_factory=dict)
    """(lines that a user writes, whether it says a number once)"""


def save(results: Results) -> None:
    """Into docs/bench/compare.json."""
    (DOCS / "compare.json").write_bytes(format(encode(results), indent=1) + b"\n")


def saved() -> Results:
    """Those that are there."""
    return decode((DOCS / "compare.json").read_bytes(), type=Results)


def text(results: Results) -> str:
    """Markdown."""
    heads = ("a backlog of one minute", "ids", "seconds", "events/s", "CPU s", "MB", "unique, to what it is")
    return "\n\n".join(
        [
            table(heads, _backlogs(results)),
            table(("kill -9 in the middle", "seconds", "unique", "total"), _killed(results)),
            table(
                (
                    "minutes of the clock",
                    "the last minute is there",
                    "late events in their minute",
                    "events in no minute",
                    "lines",
                ),
                _live(results),
            ),
            table(("on", ""), results.machine.items()),
        ]
    )


def _backlogs(results: Results) -> Iterator[tuple[str, ...]]:
    for ids, of in results.backlogs.items():
        for name, one in of.items():
            used = (f"{one.cpu:.0f}", f"{one.megabytes:,.0f}")
            if one.counted == one.events:
                is_exact = one.unique == one.expected
                share = "exact" if is_exact else f"{one.unique / one.expected - 1:+.2%}"
                yield name, f"{ids:,}", f"{one.seconds:.0f}", f"{one.events / one.seconds:,.0f}", *used, share
            else:
                yield name, f"{ids:,}", f"over {LIMIT_SECONDS}", "", *used, ""


def _killed(results: Results) -> Iterator[tuple[str, ...]]:
    for name, one in results.killed.items():
        # One that is slow says nothing for a minute, too.
        is_through = all(of[name].counted == of[name].events for of in results.backlogs.values())
        if not (one.is_final and is_through):
            yield name, f"over {LIMIT_SECONDS}", "", ""
            continue
        found, due = (one.unique, one.total), one.expected
        yield name, f"{one.seconds:.0f}", *(_off(*pair) for pair in zip(found, due, strict=True))


def _off(found: int, due: int) -> str:
    return "exact" if found == due else f"{found - due:+,} of {due:,}"


def _live(results: Results) -> Iterator[tuple[str, ...]]:
    for name, one in results.live.items():
        lines, closes = results.engines[name]
        if not closes:
            there = "so far, always; it is never said to be final"
        elif one.last_seconds is None:
            there = f"not after {SILENT_SECONDS} s of silence"
        else:
            there = f"{one.last_seconds:.1f} s after its end"
        yield name, there, f"{one.late} of {LATE}", f"{one.lost:,}", f"{lines}"
