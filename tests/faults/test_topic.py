"""The topics are deleted: a worker stops, says why, and accepting goes on."""

from confluent_kafka.admin import AdminClient
from django.conf import settings

from tasks.kafka.topics import ID_COUNTS, UNIQUE_COUNTS, create_topics
from tests.faults.tally import Tally, Worker
from tests.processes import wait_until


def test_deleted_topics_stop_the_flush_until_an_operator_has_spoken(tally: Tally, worker: Worker) -> None:
    tally.end_two_minutes()
    tally.flush()
    admin = AdminClient({"bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS})
    for future in admin.delete_topics([UNIQUE_COUNTS, ID_COUNTS]).values():
        future.result()
    wait_until(lambda: not {UNIQUE_COUNTS, ID_COUNTS} & set(admin.list_topics().topics), "they are gone")
    tally.end_two_minutes()
    before = tally.counts()
    tally.send_flush()
    wait_until(lambda: "does not exist" in (tally.store.halted() or ""), "it says so")
    create_topics()
    wait_until(lambda: {UNIQUE_COUNTS, ID_COUNTS} <= set(admin.list_topics().topics), "they are there again")
    tally.break_lease()
    tally.send_flush()
    wait_until(lambda: "no record" in (tally.store.halted() or ""), "it is not fooled")
    assert "publishing has stopped" in worker.output
    assert tally.counts() == before
    tally.accept(1)
    tally.end_minute()
    settled = tally.store.settled()
    assert settled
    tally.store.override(settled)
    tally.flush()
    tally.forget(settled)
    tally.verify()
