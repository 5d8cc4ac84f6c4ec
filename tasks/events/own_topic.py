"""OwnTopic: whose `unique-counts` is. Only the Tally that publishes there counts the events."""

import time
from contextlib import suppress

import redis
from confluent_kafka import KafkaException
from redis.exceptions import RedisError

from tasks.errors import BadRecord, NoTopic, NotOurs, PublishingError
from tasks.events.waiting import Waiting
from tasks.output.published_log import PublishedLog
from tasks.output.records import UniqueCount
from tasks.publishing.ownership import Ownership

LOOK_SECONDS = 30.0
"""Between two looks at whose the topic is."""

AWAY = (RedisError, KafkaException, PublishingError)
"""What is raised while that which decides what to count does not answer, or forbids it."""


class OwnTopic:
    """See the module. For one thread; `client` must return bytes."""

    def __init__(self, client: redis.Redis, waiting: Waiting) -> None:
        self._client = client
        self._waiting = waiting
        self._looked = 0.0

    def wait(self) -> str:
        """The name of our Redis, as soon as the topic is no other Tally's. Raises Stopped."""
        while True:
            try:
                tally = self._look()
            except AWAY as error:
                self._waiting.pause(f"nothing is counted: {error}")
            else:
                self._looked = time.monotonic()
                return tally

    def is_still(self, tally: str) -> bool:
        """Whether the topic is ours and our Redis the one of that name; while that can't be told, it is."""
        if time.monotonic() < self._looked + LOOK_SECONDS:
            return True
        self._looked = time.monotonic()
        try:
            return self._look() == tally
        except NotOurs:
            return False
        except AWAY:
            return True

    def last_minute(self) -> dict[str, UniqueCount]:
        """What this Redis has published last, by counter: another's says nothing of what was counted here.

        Raises one of AWAY.
        """
        with PublishedLog() as log:
            if not Ownership(self._client).last(log):
                return {}
            return {each.record.counter: each.record for each in log.last_minute()}

    def _look(self) -> str:
        ownership = Ownership(self._client)
        with PublishedLog() as log, suppress(BadRecord, NoTopic):  # by which it is nobody else's
            ownership.last(log)
        return ownership.identity
