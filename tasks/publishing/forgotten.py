"""A transaction of ours that Kafka has forgotten to end (KAFKA-20734): it hides all that is behind it."""

from collections.abc import Callable

from confluent_kafka.admin import AdminClient

from counter.store.publishing_state import PublishingState
from tasks.errors import StartOver
from tasks.output.open_transaction import LeftOpen, is_read_in_part, open_partitions, wait_decided
from tasks.output.published_log import PublishedLog
from tasks.output.transaction import Transaction


class Forgotten:
    """For one run of the flush."""

    def __init__(self, state: PublishingState, keep_alive: Callable[[], None]) -> None:
        self._state = state
        self._keep_alive = keep_alive
        self._has_aborted = False

    def wait_decided(self, admin: AdminClient, transaction: Transaction, log: PublishedLog) -> None:
        """Until no transaction is open on `unique-counts`; the first that stays so is aborted, if it is ours.

        Where nobody can read any of it, its minutes may be published again, also if it was acknowledged.
        Raises StartOver then, since `transaction` is used up; LeftOpen where it is someone else's, or can be
        read in part; KafkaAway.
        """
        try:
            wait_decided(admin, self._keep_alive)
        except LeftOpen as left:
            found = open_partitions(admin)
            if self._has_aborted or is_read_in_part(admin, found, log):
                raise
            self._has_aborted = True
            transaction.abort_in(found)
            self._state.forget_acknowledged(left.since)
            raise StartOver(f"{left} If it was ours, it is aborted now") from left
