"""The topics are deleted: a worker stops, says why, and accepting goes on."""

import pytest

from counter.store.publishing_state import PublishingState
from tasks.errors import NoTopic
from tasks.kafka.topics import create_topics
from tasks.output.published_log import PublishedLog
from tests.faults.tally import Tally, Worker
from tests.support.processes import wait_until
from tests.support.reset import delete_topics


def test_a_topic_that_is_gone_is_no_kafka_that_is_away(kafka: None) -> None:
    """Else whoever reads would try again for ever, and nobody would hear why."""
    delete_topics()
    with PublishedLog() as log, pytest.raises(NoTopic, match=r"tally create_topics"):
        log.last()
    create_topics()


def test_deleted_topics_stop_the_flush_until_an_operator_has_spoken(tally: Tally, worker: Worker) -> None:
    tally.end_two_minutes()
    tally.flush()
    delete_topics()
    tally.end_two_minutes()
    before = tally.counts()
    tally.send_flush()
    wait_until(lambda: "does not exist" in (PublishingState(tally.store.client).halted() or ""), "it says so")
    create_topics()
    tally.break_lease()
    tally.send_flush()
    wait_until(
        lambda: "no record" in (PublishingState(tally.store.client).halted() or ""), "it is not fooled"
    )
    assert "publishing has stopped" in worker.output
    assert tally.counts() == before
    tally.accept(1)
    tally.end_minute()
    settled = tally.store.settled()
    assert settled
    PublishingState(tally.store.client).override(settled, tally.store.buckets)
    tally.flush()
    tally.forget(settled)
    tally.verify()
