"""`tally take_over`."""

from collections.abc import Sequence
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from counter.counters import qualified
from counter.management.confirmation import add_yes, confirm
from counter.management.report import ReportCommand
from counter.minute import Minute
from counter.redis import clock
from counter.redis.clients import connect
from counter.store import keys
from counter.store.counts import CountStore
from counter.store.late import are_spread, carry
from counter.store.publishing_state import PublishingState
from counter.store.sealing import seal_everywhere
from tasks.errors import BadRecord, PublishingError
from tasks.output.published_log import Published, PublishedLog
from tasks.publishing.ownership import Leftover, Ownership

AHEAD = 5
"""Minutes; more than any two clocks of a system that publishes differ."""

MEANING = """\
unique-counts ends with the minute {minute}, published at {at} by {writer}.
From now on this Tally, {identity}, publishes behind it.

  - The one that published it should be gone. If it is not, it stops when this one has published a minute.
  - Of minutes up to {minute}, this Redis has calls that it did not publish: {left}.

This is for a Redis that replaces one that is lost, and for nothing else."""

CHOOSE = """\
this Redis has calls of minutes that others have published: {left}. Say what they are:
  --carry  calls that this Tally alone was told: they are counted in the present minute
  --drop   calls that were published by the one before it: they came with a backup, or from its events"""


class Command(ReportCommand):
    """An operator's way out, where the topic was written by a Redis that is gone."""

    help = "Hand the topic unique-counts over to this Redis, which replaces the one that wrote to it."

    def add_arguments(self, parser: CommandParser) -> None:
        """`--carry` or `--drop`, and `--yes`, beside `--json`."""
        super().add_arguments(parser)
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--carry", action="store_true", help="count what is late in the present minute")
        what.add_argument("--drop", action="store_true", help="delete what is late: it was published")
        add_yes(parser)

    def report(self, **options: Any) -> tuple[Any, str]:
        """Asks first."""
        client = connect()
        last, late = _look(client)
        minute = last.record.minute
        if minute > Minute.at(clock.now(client)) + AHEAD:
            raise CommandError(f"the minute {minute} is still to come: no Tally has published that")
        if late and not (options["carry"] or options["drop"]):
            raise CommandError(CHOOSE.format(left=_list(late)))
        if not options["yes"]:
            self._ask(PublishingState(client).identity(), last, late)
        store = seal_everywhere(client, minute)
        if options["carry"]:
            _carry(late)
        PublishingState(client).override(minute, store.buckets)
        facts = {"last_published": str(minute), "from": last.record.tally, "late": [*map(_name, late)]}
        return facts, f"this Tally publishes behind {minute}"

    def _ask(self, identity: str, last: Published, late: Sequence[Leftover]) -> None:
        record = last.record
        told = {"writer": record.tally or "one without a name", "identity": identity}
        at = f"{record.published_at:%Y-%m-%d %H:%M:%S} UTC"
        meaning = MEANING.format(minute=record.minute, at=at, left=_list(late), **told)
        confirm(self.stderr, meaning, str(record.minute))


def _look(client: redis.Redis) -> tuple[Published, list[Leftover]]:
    """The last record, and the minutes up to there that wait here and were not published from here."""
    ownership = Ownership(client)
    try:
        with PublishedLog() as log:
            last = log.last()
            if not last:
                raise CommandError("unique-counts has no record: there is nothing to take over")
            waiting = ownership.leftovers(log, CountStore.known(client), last.record.minute)
            late = [each for each in waiting if not each.is_published]
    except BadRecord as error:
        raise CommandError(f"{error}: see tally set_last_published") from error
    except PublishingError as error:
        raise CommandError(str(error)) from error
    if not late and ownership.is_ours(last):
        raise CommandError("unique-counts is this Tally's already")
    return last, late


def _carry(late: Sequence[Leftover]) -> None:
    client = connect()
    if not are_spread(client, [each.minute for each in late], settings.REDIS_BUCKETS):
        raise CommandError("some of them are in buckets of before: they can't be told from ids of new ones")
    for each in late:
        carry(client, [each.minute], keys.buckets(settings.REDIS_BUCKETS, each.counter))


def _list(late: Sequence[Leftover]) -> str:
    return ", ".join(map(_name, late)) or "none"


def _name(leftover: Leftover) -> str:
    """As its record's key is written."""
    return qualified(leftover.counter, str(leftover.minute))
