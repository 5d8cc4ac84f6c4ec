"""Accepting, sealing, settling and recovery against a model, with clients interleaved command by command.

The state machine sends what clients send one command at a time: batches new, repeated and long overdue,
seals, and settles of which each may be left half done and taken up again by another. After every command
Redis must hold what the model says, no more and no less. The ids are in one bucket, or spread over three.
"""

import re
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from redis.exceptions import ResponseError

from counter.ids import Id
from counter.minute import EPOCH, Minute
from counter.redis import clock
from counter.redis.clients import connect
from counter.sinks.outcome import Accepted
from counter.sinks.redis.write import SCRIPT, Batch, Writer
from counter.store import counts, keys
from counter.store.counts import CountStore, Stats

WRITERS = st.integers(0, 2)
IDS = st.lists(st.integers(-2, 5), min_size=1, max_size=6)
ONE_OF_THEM = st.integers(0, 59)
"""Modulo how many there are: what is drawn may not depend on the clock, whose minute can end meanwhile."""


class Tally(RuleBasedStateMachine):
    """What Redis must hold: minutes with their counts, and how far they are sealed and published."""

    buckets = keys.buckets(1)

    def __init__(self) -> None:
        super().__init__()
        self.redis = connect()
        self.redis.flushall()
        for bucket in self.buckets:
            self.redis.set(bucket.layout, bucket.count)
        self.store = CountStore(self.redis, self.buckets)
        self.writers = [Writer(bucket=self.buckets[number % len(self.buckets)]) for number in range(3)]
        self.under_way: dict[int, Batch] = {}
        self.counted: list[Batch] = []
        self.counts: dict[Minute, Counter[Id]] = {}
        self.sealed = self.published = EPOCH
        self.settlers: list[tuple[Minute, Iterator[int]]] = []

    def teardown(self) -> None:
        self.redis.close()

    # Callers

    @rule(writer=WRITERS, ids=IDS)
    def begin_batch(self, writer: int, ids: list[int]) -> None:
        """Of a writer that has none under way: the earlier one was answered, or given up."""
        count = len(self.buckets)
        self.under_way[writer] = self.writers[writer].batch([id * count + writer % count for id in ids])

    @rule(writer=WRITERS)
    def send_batch(self, writer: int) -> None:
        """Or send it again, its answer being lost."""
        batch = self.under_way.get(writer)
        if batch is None or (answer := self.send(batch)) is None:
            return  # refused: it will be sent again for another minute
        assert answer.minute == batch.writer.minute
        if batch in self.counted:
            assert answer.new is None
            return
        of_minute = self.counts.setdefault(answer.minute, Counter())
        assert answer.minute > self.sealed, "no write lands in a sealed minute"
        assert answer.new == len(set(batch.ids) - set(of_minute))
        of_minute.update(batch.ids)
        self.counted.append(batch)

    @rule(which=ONE_OF_THEM)
    def an_old_batch_arrives_late(self, which: int) -> None:
        """Whatever it says now, nothing may count again: the invariants will see it."""
        if not self.counted:
            return
        batch = self.counted[which % len(self.counted)]
        minute = batch.writer.minute
        assert self.send(batch) is not None
        assert batch.writer.minute == minute

    # Flushers

    @rule(ahead=st.integers(-1, 2))
    def seal(self, ahead: int) -> None:
        """The present minute, or one further on; or an older one, by a flusher that is late."""
        present = max([Minute.at(clock.now(self.store.client)), self.sealed + 1, *self.counts])
        self.store.seal(present + (ahead - 1))
        self.sealed = max(self.sealed, present + (ahead - 1))

    @rule()
    def publish(self) -> None:
        """All that is sealed: what is read is what Kafka would get, and then it never changes."""
        for minute in self.store.pending(self.sealed):
            if minute > self.published:
                counts = self.counts[minute]
                [stats] = self.store.stats([minute])
                assert stats == Stats(len(counts), counts.total())
                self.store.check([(minute, stats)])
                assert dict(self.read(minute)) == counts
        self.published = self.sealed

    @rule()
    def begin_settles(self) -> None:
        """A flusher finds what is published and not yet settled; a minute may have several of them."""
        for minute in self.store.pending(self.published):
            self.settlers.append((minute, self.store.settle(minute)))

    @rule(which=ONE_OF_THEM)
    def settle_a_chunk(self, which: int) -> None:
        """By any of them, in any order, also long after another has finished the minute."""
        if not self.settlers:
            return
        minute, settler = self.settlers[which % len(self.settlers)]
        if not next(settler, False):
            self.settlers.remove((minute, settler))
            self.counts.pop(minute, None)

    @rule()
    def settle_what_is_not_sealed(self) -> None:
        """Whoever asks for it: it could still be counting."""
        if max(self.counts, default=EPOCH) <= self.sealed:
            return
        with pytest.raises(ResponseError, match="NOTSEALED"):
            next(self.store.settle(max(self.counts)))

    @rule()
    def crash(self) -> None:
        """Every flusher is gone, and what it did is as far as it got."""
        self.settlers.clear()

    # What must hold

    @invariant()
    def what_is_not_published_is_all_there(self) -> None:
        for minute, ids in self.counts.items():
            if minute > self.published:
                assert dict(self.read(minute)) == ids
                assert self.store.stats([minute]) == [Stats(len(ids), ids.total())]
                assert minute in self.store.pending()

    @invariant()
    def what_is_settled_is_gone(self) -> None:
        names = {name.decode() for name in self.redis.scan_iter(count=1000)}
        for bucket in self.buckets:
            names -= {bucket.sealed, bucket.settled, bucket.pending, bucket.layout}
        names -= {writer.bucket.writer(writer.name) for writer in self.writers}
        minutes = {minute for name in names for minute in re.findall("[0-9]{12}", name)}
        assert minutes <= {str(minute) for minute in self.counts}
        assert set(self.store.pending()) <= set(self.counts)

    @invariant()
    def time_never_runs_back(self) -> None:
        assert (self.store.sealed() or EPOCH) == self.sealed

    def send(self, batch: Batch) -> Accepted | None:
        return batch.read(self.redis.eval(SCRIPT.text, len(batch.keys), *batch.keys, *batch.args))

    def read(self, minute: Minute) -> list[tuple[Id, int]]:
        return [count for chunk in self.store.counts(minute) for count in chunk]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "CHUNK", 2)


class TallyInBuckets(Tally):
    """With a bucket for each writer."""

    buckets = keys.buckets(3)


EXAMPLES = settings(
    max_examples=60, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.usefixtures("valkey_process")
class TestTally(Tally.TestCase):  # type: ignore[misc, valid-type]
    settings = EXAMPLES


@pytest.mark.usefixtures("valkey_process")
class TestTallyInBuckets(TallyInBuckets.TestCase):  # type: ignore[misc, valid-type]
    settings = EXAMPLES
