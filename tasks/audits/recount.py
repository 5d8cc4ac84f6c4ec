"""Recount: the counts of some minutes, made again from the events alone.

They are kept in a file, so that memory stays the same however many ids there are.
"""

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from counter.ids import Id
from counter.minute import Minute
from counter.store.counts import Stats

CHUNK = 1000
Counts = Mapping[str, Mapping[Id, int]]
"""Counter -> id -> how often."""


class Recount:
    """(minute, counter, id) -> count, in a file that is gone when it is closed."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tally-recount-")
        self._file = sqlite3.connect(Path(self._folder.name) / "counts", isolation_level=None)
        self._file.executescript(
            """
            PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
            CREATE TABLE counts (minute INTEGER, counter TEXT, id, counted INTEGER, published INTEGER,
                                 PRIMARY KEY (minute, counter, id)) WITHOUT ROWID;
            BEGIN
            """
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        self._folder.cleanup()

    def count(self, minute: Minute, counts: Counts) -> None:
        """So many more events of each id."""
        self._add("counted", minute, counts)

    def publish(self, minute: Minute, counts: Counts) -> None:
        """So much was published for each id."""
        self._add("published", minute, counts)

    def counters(self, minute: Minute) -> list[str]:
        """The named counters that have events in the minute."""
        sql = "SELECT DISTINCT counter FROM counts WHERE minute = ? AND counter <> '' ORDER BY counter"
        return [counter for (counter,) in self._file.execute(sql, [minute.number])]

    def stats(self, minute: Minute, counter: str) -> Stats:
        """What was counted of the minute."""
        sql = (
            "SELECT count(*), coalesce(sum(counted), 0) FROM counts"
            " WHERE minute = ? AND counter = ? AND counted > 0"
        )
        return Stats(*self._file.execute(sql, [minute.number, counter]).fetchone())

    def counts(self, minute: Minute, counter: str) -> Iterator[list[tuple[Id, int]]]:
        """(id, count) of all events of the minute, a chunk at a time."""
        sql = "SELECT id, counted FROM counts WHERE minute = ? AND counter = ? AND counted > 0 ORDER BY id"
        found = self._file.execute(sql, [minute.number, counter])
        while chunk := found.fetchmany(CHUNK):
            yield chunk

    def differences(self) -> Iterator[tuple[Minute, str, Id, int, int]]:
        """(minute, counter, id, counted, published) wherever the last two are not the same."""
        sql = "SELECT * FROM counts WHERE counted <> published ORDER BY minute, counter, id"
        for minute, counter, id, counted, published in self._file.execute(sql):
            yield Minute(minute), counter, id, counted, published

    def _add(self, column: str, minute: Minute, counts: Counts) -> None:
        first, second = (0, 1) if column == "published" else (1, 0)
        sql = (
            f"INSERT INTO counts VALUES (?, ?, ?, {first} * ?, {second} * ?) "  # noqa: S608
            f"ON CONFLICT DO UPDATE SET {column} = {column} + excluded.{column}"
        )
        number = minute.number
        for counter, of in counts.items():
            self._file.executemany(sql, ((number, counter, id, n, n) for id, n in sorted(of.items())))
