"""Why publishing, or reading what was published, did not get through. Each message is for people."""


class PublishingError(Exception):
    """See the module."""


class Halt(PublishingError):
    """Going on could publish twice or lose counts, so nothing is published and nothing deleted."""


class NoTopic(Halt):
    """`unique-counts`, or another topic that was asked for, does not exist."""


class BadRecord(Halt):
    """A record of `unique-counts` is not one that Tally writes."""


class NotOurs(Halt):
    """A record is another Tally's, or there is none: from this Redis its minute was not published."""


class CannotTell(PublishingError):
    """The topics do not hold all of the minutes that were asked for, any more or yet."""


class TryLater(PublishingError):
    """Running it again is right."""


class KafkaAway(TryLater):
    """The brokers do not answer, or not in time."""


class StartOver(TryLater):
    """The transaction is lost, or its outcome unknown: only a new producer and the topic can tell."""


class Fenced(PublishingError):
    """A newer producer has taken over. A normal event: it does the work."""
