"""Counts each minute's distinct ids from Tally's topic `requests`, with Quix Streams and nothing of Tally's.

`python count_minutes.py BROKERS [--idle SECONDS]`: for each minute the last record of the topic
`quix-unique-counts` has what was counted of it so far. With `--idle` it ends when no event came for so long.

All events of an id are in one partition, so whether an id is new in its minute is state of that id alone;
then the events are grouped by minute and summed. Each event takes effect once: Quix Streams commits offsets
and output in one transaction of Kafka. The minute of an event is that of its append time. (Tally takes the
highest so far in its partition, which is the same but where a broker's clock ran back.)
"""

import argparse
from datetime import UTC, datetime
from typing import Any

from quixstreams import Application, State

OUTPUT = "quix-unique-counts"
MINUTE_MS = 60_000


def mark_new(event: dict[str, int], key: bytes, timestamp: int, headers: Any, state: State) -> dict[str, Any]:
    """The minute of an event, and whether it is the first one of its id there."""
    minute = datetime.fromtimestamp(timestamp // MINUTE_MS * 60, UTC).strftime("%Y%m%d%H%M")
    is_new = state.get("minute") != minute
    if is_new:
        state.set("minute", minute)
    return {"minute": minute, "new": int(is_new)}


def add_up(event: dict[str, Any], state: State) -> dict[str, Any]:
    """The counts of a minute, this event included."""
    counts = {
        "minute": event["minute"],
        "unique": state.get("unique", 0) + event["new"],
        "total": state.get("total", 0) + 1,
    }
    state.set("unique", counts["unique"])
    state.set("total", counts["total"])
    return counts


def main() -> None:
    """Until it is stopped, or idle for so long."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("brokers")
    parser.add_argument("--idle", type=float, default=0.0, metavar="SECONDS")
    arguments = parser.parse_args()
    app = Application(
        arguments.brokers,
        consumer_group="quix-tally",
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
    )
    events = app.dataframe(app.topic("requests"))
    events = events[events.apply(lambda record: "id" in record)]  # the others are markers
    marked = events.apply(mark_new, stateful=True, metadata=True)
    counts = marked.group_by("minute", key_serializer="str", key_deserializer="str").apply(
        add_up, stateful=True
    )
    counts.to_topic(app.topic(OUTPUT, key_serializer="str"))
    app.run(timeout=arguments.idle)


if __name__ == "__main__":
    main()
