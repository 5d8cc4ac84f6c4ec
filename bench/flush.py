"""`python -m bench.flush IDS [fill|rude|texts]`: publish and settle a minute of so many ids; prints JSON.

With `fill` the minute is only filled and sealed, with `rude` it is flushed without manners. With `texts` the
ids are those of a named counter, of 36 characters, as UUIDs have.
"""

import json
import os
import sys
import time
from uuid import UUID

import django
import redis

COUNTER = os.environ["COUNTERS"] = "clicks"

django.setup()

from bench.machine import peak  # noqa: E402
from counter.counters import DEFAULT  # noqa: E402
from counter.minute import Minute  # noqa: E402
from counter.redis.clients import connect, connect_for_accept  # noqa: E402  (these need Django's settings)
from counter.sinks.redis.sync_writer import SyncWriter  # noqa: E402
from counter.store.counts import CountStore  # noqa: E402
from counter.store.publishing_state import PublishingState  # noqa: E402
from counter.store.sealing import seal_everywhere  # noqa: E402
from tasks.publishing.flush import Flush  # noqa: E402
from tasks.publishing.manners import Manners  # noqa: E402

CHUNK = 1000
FIRST_ID, LAST_ID = 10**9, 10**10 - 1
STEP = 2_654_435_761
"""From one id to the next, around: a prime, so none comes twice. In order they would compress better."""


def main(ids: int, how: str = "") -> None:
    """Print what was seen, in seconds, megabytes and bytes."""
    client = connect()
    minute = fill(client, ids, COUNTER if how == "texts" else DEFAULT)
    used = client.info("memory")["used_memory"]
    begin, cpu = time.perf_counter(), time.process_time()
    while how != "fill" and CountStore.known(client).settled() != minute:
        Flush(client, Manners(0) if how == "rude" else None).run()
    seconds = time.perf_counter() - begin
    cpu = time.process_time() - cpu
    print(json.dumps({"seconds": seconds, "cpu": cpu, "megabytes": peak(), "used_memory": used}))


def fill(client: redis.Redis, ids: int, counter: str) -> Minute:
    """Count every id once in one minute, and end it before its time."""
    recorder = SyncWriter(connect_for_accept())
    for start in range(0, ids, CHUNK):
        numbers = range(start, min(start + CHUNK, ids))
        found = [FIRST_ID + n * STEP % (LAST_ID - FIRST_ID) for n in numbers]
        minute = recorder.record([str(UUID(int=id)) for id in found] if counter else found, counter).minute
    PublishingState(client).begin_at(CountStore.known(client).pending()[0])
    seal_everywhere(client, minute)
    return minute


main(int(sys.argv[1]), *sys.argv[2:])
