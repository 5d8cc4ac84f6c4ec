"""Redis's clock jumps, and comes back: no published minute changes, and the flusher stops and says so."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pytest_django import Settings

from counter.minute import Minute
from counter.redis import clock
from counter.redis.clients import connect
from counter.store.counts import CountStore
from embedded.ports import free_port
from embedded.valkey import Valkey
from tasks.errors import Halt
from tasks.publishing.flush import Flush
from tests.faults.tally import Tally
from tests.support.checker import verify
from tests.support.clocks import of_file
from tests.support.processes import ServerProcess, run, wait_until
from tests.support.reading import unique_counts

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("kafka")]


class Clock:
    """The clock of one Valkey."""

    def __init__(self, file: Path, store: CountStore) -> None:
        self._file = file
        self._store = store

    def jump(self, by: str, seconds: float) -> None:
        """To `by` from the true time, as faketime writes it, which is so many seconds."""
        before = clock.now(self._store.client)
        self._file.write_text(by)
        wait_until(
            lambda: abs(clock.now(self._store.client) - before) > abs(seconds) / 2, f"the clock jumps by {by}"
        )


@pytest.fixture
def jumping(settings: Settings, tmp_path: Path) -> Iterator[tuple[Tally, Clock]]:
    """Tally over a Valkey whose clock can jump."""
    file = tmp_path / "clock"
    file.write_text("+0")
    valkey = Valkey(tmp_path / "valkey", free_port())
    settings.REDIS_URL = valkey.url
    with run(ServerProcess(valkey, of_file(file))), closing(connect()) as client:
        store = CountStore.known(client)
        with closing(Tally(client, store)) as tally:
            yield tally, Clock(file, store)


@pytest.mark.parametrize(("by", "seconds"), [("-5m", -300), ("+1d", 86400)])
def test_a_jump_and_back(jumping: tuple[Tally, Clock], by: str, seconds: float) -> None:
    tally, clock = jumping
    tally.end_two_minutes()
    Flush(tally.store.client).run()
    published = Minute.parse(tally.log[-1][0])
    clock.jump(by, seconds)
    accepted = tally.accept(1, 2, 3)
    assert accepted > published
    with pytest.raises(Halt, match="clocks"):
        Flush(tally.store.client).run()
    assert unique_counts() == tally.log
    clock.jump("+0", seconds)
    now = tally.accept(7)
    assert published < now <= published + 2
    tally.store.seal(now)
    Flush(tally.store.client).run()
    seen = verify(tally.calls, tally.valkey)
    assert seen.unique_counts[:2] == tally.log
    assert (str(accepted) in seen.waiting) == (accepted > now), "tomorrow's calls wait for tomorrow"
