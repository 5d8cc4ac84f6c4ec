"""What Kafka's state means for those who call and those who read, in one sentence."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from django.conf import settings
from django.core.cache import cache as memory
from redis import Redis

from console.headline.verdict import Section, Verdict
from console.level import Level
from console.times import clock as time_of_day
from counter.kafka.client import client_config
from counter.mode import is_event_mode
from counter.redis import clock
from counter.store.offsets import Progress
from tasks.errors import KafkaAway
from tasks.events.backlog import Backlog, backlog

ASK_SECONDS = 0.8
"""For each of two questions: a page that asks a Kafka that hangs still comes within two seconds."""

REMEMBER_SECONDS = 2
"""However many look at the console, each process asks no more often."""

LATE_SECONDS = 10
"""An event waits a fraction of a second for a consolidator that keeps up."""


@cache
def admin_client() -> AdminClient:
    """The one of this process."""
    return AdminClient(client_config())


def verdicts(redis: Redis) -> list[Verdict]:
    """What is wrong with Kafka, or with how far events are counted; none where all is well.

    Raises RedisError.
    """
    key = f"console.kafka.{settings.ACCEPT_SINK}"
    found: list[Verdict] | None = memory.get(key)
    if found is None:
        found = list(_verdicts(redis))
        memory.set(key, found, REMEMBER_SECONDS)
    return found


def _verdicts(redis: Redis) -> Iterator[Verdict]:
    try:
        if is_event_mode():
            now = clock.now(redis)
            positions = Progress.known(redis).positions()
            waiting = backlog(admin_client(), positions, now - LATE_SECONDS, ASK_SECONDS)
            if waiting.events:
                yield _uncounted(waiting)
        else:
            admin_client().list_topics(timeout=ASK_SECONDS)
    except KafkaException as error:
        yield _away(error.args[0].str())
    except KafkaAway as error:
        yield _away(str(error))


def _uncounted(waiting: Backlog) -> Verdict:
    since = (
        f"since {time_of_day(datetime.fromtimestamp(waiting.since, UTC))}"
        if waiting.since
        else "since the start"
    )
    calls = "1 accepted call is" if waiting.events == 1 else f"{waiting.events:,} accepted calls are"
    return Verdict(
        Level.BAD,
        f"{calls} not counted, {since}",
        "Nothing is lost: the events wait in Kafka, and minutes wait for them. Look whether consolidators run"
        " (tally consolidate) and what their log says; the panel Events has each partition.",
        Section.PARTITION_BEHIND,
    )


def _away(error: str) -> Verdict:
    if is_event_mode():
        return Verdict(
            Level.BAD,
            "Kafka is away: no call can be accepted",
            f"Callers are told 503 and try again. Start Kafka, and accepting goes on by itself. ({error})",
            Section.REFUSING,
        )
    return Verdict(
        Level.BAD,
        "Kafka is away: calls are counted, and nothing is published",
        f"Nothing is lost while minutes wait. Start Kafka, and publishing goes on by itself. ({error})",
        Section.FLUSH_FAILING,
    )
