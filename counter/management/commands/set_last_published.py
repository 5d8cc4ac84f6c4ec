"""`tally set_last_published`."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from typing_extensions import override

from counter.management.confirmation import add_yes, confirm
from counter.management.report import ReportCommand
from counter.minute import Minute
from counter.redis import clock
from counter.redis.clients import connect
from counter.store.counts import CountStore
from counter.store.publishing_state import PublishingState

MEANING = """\
From now on {minute} counts as the last published minute, whatever the topic unique-counts says.

  - Minutes up to {minute} are never published. What Redis still has of them is DELETED at the next flush:
    {lost}
  - Publishing goes on with {next}. If the topic has that minute already, it is there twice.

This is for a topic that was lost or is damaged, and for nothing else."""


class Command(ReportCommand):
    """An operator's way out, where publishing has stopped because the topic can't be trusted."""

    help = "Say which minute was published last, where the topic unique-counts can't."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        """The minute and `--yes`, beside `--json`."""
        super().add_arguments(parser)
        parser.add_argument("minute", help="yyyyMMddHHmm, in UTC")
        add_yes(parser)

    @override
    def report(self, **options: Any) -> tuple[Any, str]:
        published, client = _parse(options["minute"]), connect()
        if published >= Minute.at(clock.now(client)):
            raise CommandError(f"the minute {published} is not over yet")
        store = CountStore.known(client)
        lost = [str(each) for each in store.pending(published)]
        if not options["yes"]:
            self._ask(published, lost)
        PublishingState(client).override(published, store.buckets)
        return {
            "last_published": str(published),
            "dropped": lost,
        }, f"the last published minute is {published}"

    def _ask(self, published: Minute, lost: list[str]) -> None:
        meaning = MEANING.format(minute=published, next=published + 1, lost=", ".join(lost) or "it has none")
        confirm(self.stderr, meaning, str(published))


def _parse(text: str) -> Minute:
    try:
        return Minute.parse(text)
    except ValueError as error:
        raise CommandError(str(error)) from error
