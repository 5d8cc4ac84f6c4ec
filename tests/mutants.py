"""Mutants: one guard at a time is taken out of a copy of the tree, and a test must fail.

`python -m tests.mutants [word]` prints a table; with a word, only of the guards whose name has it. First all
of the tests must pass with their guards.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
TIMEOUT_SECONDS, ALL_SECONDS = 600, 1800
"""For a mutant's test, and for all of them together"""
AT_ONCE = 2 * (os.cpu_count() or 1)
"""Of most, the test waits in vain for what the guard would see to."""
FAILED, NONE_CHOSEN = 1, 5
"""pytest's exit status when tests failed, and not for another reason; and when there were none."""


@dataclass(frozen=True)
class Mutant:
    """A guard, how to take it out, and the test that must notice."""

    guard: str
    file: str
    edits: tuple[tuple[str, str], ...]
    test: str


def mutant(guard: str, file: str, test: str, *edits: tuple[str, str]) -> Mutant:
    return Mutant(guard, file, edits, test)


COMMIT = "tests/faults/kafka/test_commit.py::test_"
FORGOTTEN, FORGOTTENS = "tasks/publishing/forgotten.py", "tests/faults/kafka/test_forgotten.py::test_what_"
KILL, ZOMBIE = (f"tests/faults/processes/test_{name}.py::test_" for name in ("kill", "zombies"))
CUT, REPLICA, NO_ANSWER, FAILOVER, HANG = (
    f"tests/faults/redis/test_{name}.py::test_"
    for name in ("redis_cut", "replica", "no_answer", "failover", "hang")
)
OVERWRITTEN, OLDEST = "tests/faults/redis/test_overwritten.py::test_", "tests/sinks/test_oldest.py::test_"
SHAPE, RULES = "tests/publishing/test_shape.py::test_", "tasks/kafka/shape_rules.py"
ROWS, CHECK = (
    "tasks/publishing/rows.py",
    ("        store.of(counter).check(list(zip(minutes, of, strict=True))[: len(chosen)])", "        pass"),
)
OPENING, OPENINGS = "counter/store/opening.py", "tests/store/test_opening.py::test_"
ROW = "tests/publishing/test_counters.py::test_"
EVENTS_OF_COUNTERS = "tests/events/test_counters.py::test_"
SKEW = "tests/faults/processes/test_skew.py::test_"
FLUSH, MODEL = "tests/publishing/test_flush.py::test_", "tests/store/test_model.py"
EVENTS, LAYOUT = "tests/events/test_consolidator.py::test_", "tests/store/test_layout.py::test_"
HTTP, CONNECTIONS = "tests/accepting/test_http.py::test_", "tests/accepting/test_connections.py::test_"
TOPOLOGY, NGINX = "tests/deployment/test_topology.py::test_", "ops/nginx/tally.conf"
OWNERSHIP, OWNERSHIPS = "tasks/publishing/ownership.py", "tests/publishing/test_ownership.py::test_"
HEADLINE = "tests/console/test_headline.py::test_"
DATABASE = "tests/deployment/test_database.py::test_"
PUBLISHER, FLUSHER, ACCEPT = (
    "tasks/output/transaction.py",
    "tasks/publishing/flush.py",
    "counter/store/lua/accept.lua",
)
PUBLICATION, STATE = "tasks/publishing/publication.py", "counter/store/publishing_state.py"

MUTANTS = (
    mutant(
        "a new producer for every transaction",
        PUBLISHER,
        f"{COMMIT}a_delayed_end_of_an_earlier_transaction_is_rejected",
        ("self._producer = Producer(", "self._producer = _kept("),
        (
            "        self._call(self._producer.init_transactions)",
            "        if self._producer not in _ready:\n"
            "            self._call(self._producer.init_transactions)\n"
            "            _ready.append(self._producer)",
        ),
        (
            "class Transaction:",
            "_ready: list[Producer] = []\n\n\n"
            "def _kept(config: dict[str, object]) -> Producer:\n"
            "    return _ready[0] if _ready else Producer(config)\n\n\n"
            "class Transaction:",
        ),
    ),
    mutant(
        "one transactional id: the fence",
        PUBLISHER,
        f"{ZOMBIE}an_overtaken_flusher_changes_nothing[6b.commit/commit_transaction.before-1]",
        (
            '                "transactional.id": prefixed(f"{prefix}{TRANSACTIONAL_ID}"),',
            '                "transactional.id": f"{TRANSACTIONAL_ID}-{time.time()}",',
        ),
        (
            "        while True:\n            self._keep_alive()\n            try:",
            "        while True:\n            try:",
        ),
    ),
    mutant(
        "a commit of unknown outcome is not taken for success",
        PUBLICATION,
        f"{COMMIT}a_commit_of_unknown_outcome_ends_in_one_copy[lose_the_request-False]",
        ("import redis\n", "from contextlib import suppress\n\nimport redis\n"),
        (
            "            offsets = transaction.commit()",
            "            offsets = [0]\n            with suppress(KafkaAway):\n                transaction.commit()",
        ),
        ("import Halt, StartOver", "import Halt, KafkaAway, StartOver"),
        ("published = _read_back(log, offsets, records)", "published: list[Published] = []"),
    ),
    mutant(
        "read back before deleting",
        PUBLICATION,
        f"{COMMIT}what_cannot_be_read_back_is_not_deleted",
        ("published = _read_back(log, offsets, records)", "published: list[Published] = []"),
    ),
    mutant(
        "delete only after the commit: 6b before 6e",
        PUBLICATION,
        f"{KILL}a_killed_flush_is_finished_by_the_next[6b.commit.before-1]",
        (
            '        with step("6b.commit"):',
            "        for record in records:\n"
            "            if record.stats.total:\n"
            "                settle(store.of(record.counter), record.minute, self._lease, self._manners)\n"
            '        with step("6b.commit"):',
        ),
    ),
    mutant(
        "read_committed",
        "tasks/kafka/reader.py",
        f"{COMMIT}a_commit_of_unknown_outcome_ends_in_one_copy[lose_the_request-False]",
        ('"isolation.level": "read_committed"', '"isolation.level": "read_uncommitted"'),
    ),
    mutant(
        "leftovers are settled",
        FLUSHER,
        f"{KILL}a_killed_flush_is_finished_by_the_next[6d.announce.after-1]",
        (
            "                settle(of_counter, leftover.minute, self._lease, self._manners)",
            "                pass",
        ),
    ),
    mutant(
        "the checkpoint raises the seal",
        FLUSHER,
        f"{FLUSH}an_old_backup_in_which_a_published_minute_is_open_is_settled",
        (
            "                store = seal_everywhere(self._client, checkpoint)",
            "                store = CountStore.known(self._client)",
        ),
    ),
    mutant(
        "the lease: one flusher works at a time",
        "counter/store/lease.py",
        f"{FLUSH}only_one_flusher_works_at_a_time",
        ("        return self._held\n", "        return True\n"),
    ),
    mutant(
        "an index that does not fit its stats",
        ROWS,
        f"{FLUSH}an_index_that_does_not_fit_stops_it",
        CHECK,
    ),
    mutant(
        "the clocks of Redis and worker agree",
        "tasks/publishing/checkpoint.py",
        "tests/faults/redis/test_clock.py::test_a_jump_and_back",
        (" > MAX_CLOCK_DIFFERENCE_SECONDS:", " > 10**9:"),
    ),
    mutant(
        "a topic that lost its end",
        "tasks/publishing/checkpoint.py",
        f"{FLUSH}a_topic_that_lost_its_last_records_stops_it",
        ("if settled and settled > checkpoint:", "if False:"),
    ),
    mutant(
        "an empty topic is not a new one",
        "tasks/publishing/checkpoint.py",
        f"{FLUSH}a_topic_without_records_stops_it_when_minutes_were_sealed",
        (
            "    if sealed := store.sealed():\n        raise Halt(",
            "    if sealed := None:\n        raise Halt(",
        ),
    ),
    mutant(
        "a topic that is gone",
        "tasks/kafka/reader.py",
        "tests/faults/kafka/test_topic.py::test_a_topic_that_is_gone_is_no_kafka_that_is_away",
        ("    if error.code() in _NO_TOPIC:", "    if False:"),
    ),
    mutant(
        "accept.lua: no write in a sealed minute",
        ACCEPT,
        f"{MODEL} tests/faults/processes/test_size.py::test_writers_race_the_seal[100000]",
        ("local is_now = minute == now and ARGV[1] > sealed", "local is_now = minute == now"),
    ),
    mutant(
        "accept.lua: the batch's number",
        ACCEPT,
        f"{CUT}a_batch_of_the_hot_path_counts_once",
        ("if last and tonumber(ARGV[4]) <= tonumber(last) then", "if false then"),
    ),
    mutant(
        "accept.lua: the number is looked at before the minute",
        ACCEPT,
        "tests/sinks/test_batcher.py::test_a_repeated_batch_counts_once_even_after_its_minute",
        (
            "if last and tonumber(ARGV[4]) <= tonumber(last) then",
            "if last and tonumber(ARGV[4]) <= tonumber(last)\n"
            "  and ARGV[1] > (redis.call('GET', KEYS[1]) or '') then",
        ),
    ),
    mutant(
        "count.lua: room is left for the flush and its queue",
        "counter/store/lua/count.lua",
        "tests/faults/redis/test_memory.py::test_full_of_calls_the_worker_and_its_queue_go_on",
        ("local FULL = 0.9", "local FULL = 2"),
    ),
    mutant(
        "a node with little memory left is asked by each script",
        "counter/sinks/redis/async_writer.py",
        "tests/sinks/test_batcher.py::test_a_full_redis_refuses_the_calls_for_every_bucket",
        ("each_asks=connection in self._full", "each_asks=False"),
    ),
    mutant(
        "only so many batches may wait",
        "counter/accepting/batches/batch_path.py",
        "tests/accepting/test_batch_path.py",
        ("if self._waiting_ids + ids > MAX_WAITING_IDS:", "if not self._sinks:"),
    ),
    mutant(
        "accept.lua: a repeat writes, so that WAITAOF waits",
        ACCEPT,
        f"{REPLICA}without_the_replica_no_call_is_acknowledged",
        ("  redis.call('EXPIRE', KEYS[2], WRITER_TTL_SECONDS)\n", ""),
    ),
    mutant(
        "enough replicas hold the batch",
        "counter/redis/replication.py",
        f"{REPLICA}without_the_replica_no_call_is_acknowledged",
        ("    if primary and replicas >= settings.ACCEPT_REPLICAS:", "    if True:"),
    ),
    mutant(
        "what is published is held by enough replicas",
        "counter/store/counts.py",
        f"{REPLICA}without_the_replica_a_seal_is_not_relied_on",
        ("        if settings.ACCEPT_REPLICAS:", "        if False:"),
    ),
    mutant(
        "where the log begins is held by enough replicas",
        STATE,
        f"{REPLICA}without_the_replica_it_is_not_decided_where_the_log_begins",
        (
            "        with replicated(master_of(self._client, keys.FIRST)) as pipe:\n"
            "            pipe.set(keys.FIRST, str(minute), nx=True)",
            "        self._client.set(keys.FIRST, str(minute), nx=True)",
        ),
    ),
    mutant(
        "a seal is held in every bucket",
        "counter/store/counts.py",
        "tests/faults/redis/test_cluster.py::test_a_seal_that_a_failover_has_taken_back_is_set_again",
        ("                for bucket in buckets:", "                for bucket in buckets[:1]:"),
    ),
    mutant(
        "a seal learns of new buckets",
        "counter/store/sealing.py",
        f"{LAYOUT}a_flush_that_has_slept_over_a_change_misses_nothing",
        ("import redis\n", "import redis\nfrom django.conf import settings\n"),
        ("from counter.store.counts", "from counter.store import keys\nfrom counter.store.counts"),
        (
            "while store.buckets != (known := known_buckets(client)):",
            "for known in [keys.buckets(settings.REDIS_BUCKETS)]:",
        ),
    ),
    mutant(
        "… also of one that comes while it seals",
        "counter/store/sealing.py",
        "tests/store/test_sealing.py::test_a_counter_that_is_opened_meanwhile_is_sealed_too",
        ("while store.buckets != (known := known_buckets(client)):", "for known in [known_buckets(client)]:"),
    ),
    mutant(
        "the flush looks into the buckets of before",
        "counter/store/registry.py",
        f"{LAYOUT}old_minutes_are_published_and_new_ones_begin_after_them",
        ("*(_bucket_counts(client) or before)}", "}"),
    ),
    mutant(
        "accept.lua: only where ids are spread over as many buckets",
        ACCEPT,
        f"{LAYOUT}no_id_is_in_two_buckets_of_a_minute_under_load",
        ("misfit(KEYS[7], ARGV[6])", "nil"),
    ),
    mutant(
        "new buckets are registered before they open",
        "counter/store/rebucketing.py",
        f"{LAYOUT}a_flush_that_has_slept_over_a_change_misses_nothing",
        ('    _write(client, keys.BUCKETS, "SADD", count, *([] if is_cluster() else [1]))\n', ""),
    ),
    mutant(
        "old buckets are closed before new ones open",
        "counter/store/rebucketing.py",
        f"{LAYOUT}no_id_is_in_two_buckets_of_a_minute_under_load",
        ('        _write(client, bucket.layout, "SET", CLOSED)', "        pass"),
    ),
    mutant(
        "the minute is sealed before new buckets open",
        "counter/store/rebucketing.py",
        f"{LAYOUT}no_id_is_in_two_buckets_of_a_minute_under_load",
        ("    _seal(client)\n", ""),
    ),
    mutant(
        "a change of buckets is held by enough replicas",
        "counter/store/rebucketing.py",
        f"{REPLICA}without_the_replica_the_number_of_buckets_stays",
        (
            "    with replicated(master_of(client, name)) as pipe:",
            "    with master_of(client, name).pipeline() as pipe:",
        ),
        ("(command, name, *values)  # type", "(command, name, *values)\n        pipe.execute()  # type"),
    ),
    mutant(
        "redis-py does not repeat by itself",
        "counter/redis/clients.py",
        f"{CUT}a_network_that_hangs_is_a_refusal_in_time_from_django_too",
        (
            "    return _connect(ACCEPT_TIMEOUT_SECONDS, Retry(NoBackoff(), 0))",
            "    return _connect(ACCEPT_TIMEOUT_SECONDS, Retry(NoBackoff(), RETRIES))",
        ),
    ),
    mutant(
        "settle.lua: only what is sealed",
        "counter/store/lua/settle.lua",
        MODEL,
        ("if not sealed or minute > sealed or not string.match(sealed, '^%d+$') then", "if false then"),
    ),
    mutant(
        "settle.lua: by chunks",
        "counter/store/counts.py",
        "tests/faults/processes/test_size.py::test_a_minute_of_a_million_calls[1000000]",
        ("args=[str(minute), CHUNK]", "args=[str(minute), 10**6]"),
    ),
    mutant(
        "an append-only file that is cut short is not loaded",
        "embedded/valkey.py",
        "tests/faults/redis/test_redis_killed.py::test_a_torn_tail_refuses_to_start_with_a_clear_line",
        ('"aof-load-truncated": "no"', '"aof-load-truncated": "yes"'),
    ),
    mutant(
        "no answer before Redis has answered",
        "counter/sinks/redis/group_commit.py",
        f"{NO_ANSWER}no_call_is_answered_before_redis_has_answered",
        (
            "        try:\n            await self._committer.commit({",
            "        for part in parts.values():\n"
            "            part.tell(Accepted(0, 0))\n"
            "        try:\n            await self._committer.commit({",
        ),
    ),
    mutant(
        "a server that is none of ours ends the connection",
        "counter/redis/replies.py",
        f"{FAILOVER}a_planned_failover_there_and_back_under_load",
        ("    BaseParser.EXCEPTION_CLASSES.update(", "    dict(BaseParser.EXCEPTION_CLASSES).update("),
    ),
    mutant(
        "the hot path hangs up on whatever a new connection may cure",
        "counter/sinks/redis/async_writer.py",
        f"{FAILOVER}what_a_new_connection_may_cure_ends_the_old_one",
        ("        elif need is Need.CONNECTION:", "        elif False:"),
    ),
    mutant(
        "… and so does Django's lane",
        "counter/sinks/redis/sync_writer.py",
        f"{FAILOVER}what_a_new_connection_may_cure_ends_the_old_one",
        ("            elif need is Need.CONNECTION:", "            elif False:"),
    ),
    mutant(
        "the scout asks over a new connection",
        "counter/sinks/redis/async_writer.py",
        f"{FAILOVER}the_scout_asks_where_the_address_leads_now",
        ("            await connection.disconnect()  # or", "            pass  # or"),
    ),
    mutant(
        "the script is not loaded for ever",
        "counter/sinks/redis/async_writer.py",
        f"{OLDEST}a_server_that_can_not_run_the_script_is_a_refusal_in_time",
        ("            if delivery.is_overdue:", "            if False:"),
    ),
    mutant(
        "a server without the script is not back",
        "counter/sinks/redis/async_writer.py",
        f"{OLDEST}a_server_that_can_not_run_the_script_is_a_refusal_in_time",
        ("                away = (*REPEATABLE, NoScriptError)", "                away = REPEATABLE"),
    ),
    mutant(
        "/readyz and the check run the script",
        "counter/monitoring/health.py",
        f"{OLDEST}a_server_that_can_not_run_the_script_is_a_refusal_in_time",
        ("misfit(client) or refusal(client)", "misfit(client)"),
    ),
    mutant(
        "/readyz says what this process refuses",
        "counter/api/views/health.py",
        f"{OVERWRITTEN}readiness_and_pages_say_which_key",
        ("            ACCEPTING: sink_problems,\n", ""),
    ),
    mutant(
        "/readyz knows how full Redis may be",
        "counter/monitoring/health.py",
        "tests/monitoring/test_api_health.py::test_a_full_redis_is_unready",
        ('> FULL * each["maxmemory"]', '> 2 * each["maxmemory"]'),
    ),
    mutant(
        "pages wait no longer for Redis than calls may",
        "counter/api/views/minutes.py",
        f"{HANG}every_answer_comes_in_time",
        ("import connect_for_console\n", "import connect\n"),
        ("    return connect_for_console()", "    return connect()"),
    ),
    mutant(
        "the group commit outlives a fault of its own",
        "counter/sinks/redis/group_commit.py",
        f"{OVERWRITTEN}a_fault_of_its_own_does_not_end_the_group_commit",
        (
            "        except Exception:  # the next group",
            "        except ZeroDivisionError:  # the next group",
        ),
    ),
    mutant(
        "a fault of its own is a refusal",
        "counter/sinks/redis/async_writer.py",
        f"{OVERWRITTEN}a_fault_of_its_own_is_a_refusal_in_each_lane",
        ("            except Exception:", "            except ZeroDivisionError:"),
    ),
    mutant(
        "the appender outlives a fault of its own",
        "counter/sinks/kafka/async_producer.py",
        f"{OVERWRITTEN}a_fault_of_its_own_does_not_end_the_appender",
        ("        except Exception:  # or", "        except KeyError:  # or"),
    ),
    mutant(
        "count.lua: keys are looked at before any is written",
        "counter/store/lua/count.lua",
        f"{OVERWRITTEN}a_key_of_the_counts_is_overwritten",
        ("  if wrong then\n    return wrong\n  end\n  redis.call('MSET'", "  redis.call('MSET'"),
    ),
    mutant(
        "count.lua: a seal that is none refuses",
        "counter/store/lua/count.lua",
        f"{OVERWRITTEN}a_key_of_the_counts_is_overwritten",
        ("  if sealed and not string.match(", "  if false and not string.match("),
    ),
    mutant(
        "count.lua: each batch says that its minute is pending",
        "counter/store/lua/count.lua",
        f"{OVERWRITTEN}a_minute_is_pending_again_with_its_next_call",
        (
            "    wrong = select(2, ask('ZADD', pending, minute, minute))",
            "    wrong = not sums[2] and select(2, ask('ZADD', pending, minute, minute)) or nil",
        ),
    ),
    mutant(
        "a writer whose key was overwritten takes another name",
        "counter/sinks/redis/delivery.py",
        f"{OVERWRITTEN}what_a_writer_remembers_is_overwritten",
        ("            self.left[number].writer.begin_anew()\n", ""),
    ),
    mutant(
        "minutes are published also where nothing names them",
        ROWS,
        f"{OVERWRITTEN[:-5]}TestTheFlush::test_does_without_what_is_deleted",
        (
            "    minutes = list(first.through(min(last, first + MAX_MINUTES - 1)))",
            "    minutes = store.pending(last)",
        ),
    ),
    mutant(
        "a minute without stats stops it",
        ROWS,
        f"{OVERWRITTEN[:-5]}TestTheFlush::test_stops_where_part_of_a_minute_is_gone",
        ("    if lost := set(", "    if lost := set() and set("),
        CHECK,
    ),
    mutant(
        "a key that was overwritten stops it",
        FLUSHER,
        f"{OVERWRITTEN[:-5]}TestTheFlush::test_stops_and_names_the_key",
        ("            if GARBLED.search(str(error)):", "            if False:"),
    ),
    mutant(
        "seal.lua: mends a seal that is none",
        "counter/store/lua/seal.lua",
        f"{OVERWRITTEN[:-5]}TestTheFlush::test_mends_what_it_knows",
        ("local last = is_minute and sealed > ARGV[1]", "local last = sealed and sealed > ARGV[1]"),
    ),
    mutant(
        "a lease that never runs out is nobody's",
        "counter/store/lease.py",
        f"{OVERWRITTEN[:-5]}TestTheFlush::test_mends_what_it_knows",
        ("(self._is_nobodys() and", "(False and"),
    ),
    mutant(
        "beat mends what it needs to tick",
        "project/beat.py",
        f"{OVERWRITTEN}what_beat_needs_is_mended_with_its_next_look",
        ("        self._mend()\n", ""),
    ),
    mutant(
        "a lock of beat's that never runs out is nobody's",
        "project/beat.py",
        f"{OVERWRITTEN}a_lock_of_nobodys_keeps_no_beat_waiting",
        ("            self._forget(self.app.redbeat_conf.lock_key)", "            pass"),
    ),
    mutant(
        "consolidate.lua: only the next events count",
        "counter/store/lua/consolidate.lua",
        f"{EVENTS}what_was_counted_is_refused {EVENTS}what_is_not_next_is_refused",
        ("if next ~= ARGV[3] then", "if false then"),
    ),
    mutant(
        "consolidate.lua: no event counts in a sealed minute",
        "counter/store/lua/consolidate.lua",
        f"{EVENTS}nothing_is_counted_in_a_sealed_minute",
        ("  if ARGV[1] <= sealed then", "  if false then"),
    ),
    mutant(
        "consolidate.lua: no event counts in another layout",
        "counter/store/lua/consolidate.lua",
        f"{EVENTS}nothing_is_counted_by_who_thinks_that_there_are_more_or_less_buckets",
        ("misfit(KEYS[7], ARGV[7])", "nil"),
    ),
    mutant(
        "consolidate.lua: the last memory is for partitions behind",
        "counter/store/lua/consolidate.lua",
        f"{EVENTS}a_crowded_redis_is_left_to_partitions_behind_so_that_minutes_end",
        ("local CROWDED = 0.5", "local CROWDED = 2"),
    ),
    mutant(
        "buckets are not changed while events are counted",
        "counter/store/rebucketing.py",
        "tests/events/test_event_mode.py::test_the_number_of_buckets_is_changed_outside_of_event_mode_alone",
        ("    if tags and tags != {bucket.tag for bucket in keys.buckets(count)}:", "    if False:"),
    ),
    mutant(
        "… nor while a consolidator begins",
        "counter/store/rebucketing.py",
        "tests/events/test_event_mode.py::test_a_consolidator_that_begins_in_the_middle_of_a_change_breaks_it_off",
        ("    _check_events(client, count)  # once more: a consolidator may just have begun\n", ""),
    ),
    mutant(
        "a consolidator with another number of buckets begins nothing",
        "tasks/events/assignment.py",
        "tests/events/test_event_mode.py::test_a_consolidator_with_another_number_of_buckets_begins_nothing",
        ("if why := misfit(self._client) or ", "if why := "),
    ),
    mutant(
        "minutes wait for events in another number of buckets",
        "tasks/publishing/watermark.py",
        "tests/events/test_event_mode.py::test_minutes_wait_for_events_in_another_number_of_buckets",
        (
            "if not event_buckets(client) and",
            "if not Progress.known(client).positions() and",
        ),
    ),
    mutant(
        "a partition's time never runs back",
        "counter/kafka/requests.py",
        f"{EVENTS}an_events_minute_is_that_of_the_highest_append_time_so_far",
        (
            "minute = Minute.at_milliseconds(max(time, times[begin]))",
            "minute = Minute.at_milliseconds(times[begin])",
        ),
    ),
    mutant(
        "a minute waits for every partition that Kafka has",
        "tasks/publishing/watermark.py",
        f"{EVENTS}an_added_partition_holds_minutes_back_until_it_has_been_read",
        ("for partition in range(partitions))", "for partition in positions)"),
    ),
    mutant(
        "a minute is over by Redis's clock, too",
        "tasks/publishing/watermark.py",
        f"{EVENTS}a_minute_that_is_not_over_by_redis_clock_waits_as_well",
        ("Watermark(min(by_clock, by_events), partitions)", "Watermark(by_events, partitions)"),
    ),
    mutant(
        "events hold minutes back whatever ACCEPT_SINK says",
        "tasks/publishing/watermark.py",
        "tests/events/test_event_mode.py::test_events_hold_minutes_back_also_when_calls_are_counted_at_once_again",
        (
            "if not event_buckets(client) and not is_event_mode():",
            "if not is_event_mode():",
        ),
    ),
    mutant(
        "the first minute ever is the earliest of all partitions",
        "tasks/publishing/checkpoint.py",
        f"{EVENTS}the_first_minute_is_the_earliest_of_all_partitions",
        ("if watermark.partitions and pending[0] > watermark.minute:", "if False:"),
    ),
    mutant(
        "what was published as events is not counted again",
        "tasks/events/claims.py",
        f"{EVENTS}an_old_backup_of_redis_is_brought_up_to_date_from_the_events",
        ("if published and partition < published.partitions and", "if published and False and"),
    ),
    mutant(
        "events that Kafka deleted uncounted stop their partition",
        "tasks/events/group.py",
        f"{EVENTS}events_that_kafka_deleted_uncounted_stop_their_partition_until_an_operator_has_spoken",
        ('"auto.offset.reset": "error"', '"auto.offset.reset": "earliest"'),
    ),
    mutant(
        "event mode is left only when all is counted",
        "tasks/management/commands/leave_event_mode.py",
        "tests/events/test_event_mode.py::test_events_hold_minutes_back_also_when_calls_are_counted_at_once_again",
        ("            if counted < end:", "            if False:"),
    ),
    mutant(
        "ticks go by Redis's clock",
        "project/celery.py",
        f"{SKEW}the_ticks_of_a_beat_are_heard",
        ("return self._clock.now()", "return super().now()"),
    ),
    mutant(
        "a schedule from the future is forgotten",
        "project/beat.py",
        f"{SKEW}a_schedule_from_the_future_is_forgotten",
        ("        self._forget_the_future()\n", ""),
    ),
    mutant(
        "nothing is published behind another Tally's record",
        OWNERSHIP,
        f"{OWNERSHIPS}a_second_one_stops_and_loses_nothing_while_the_first_goes_on",
        ("if last and not self.is_ours(last) and", "if last and False and"),
    ),
    mutant(
        "whose the topic is is looked at before the fence",
        FLUSHER,
        f"{OWNERSHIPS}one_that_stops_fences_nobody",
        ("                look_back(self._state, log, ownership)\n", ""),
    ),
    mutant(
        "… and behind it",
        "tasks/publishing/checkpoint.py",
        f"{OWNERSHIPS}of_two_new_ones_at_once_one_publishes[2.init.before]",
        (
            "    known = look_back(PublishingState(client), log, ownership)",
            "    known = [last.record.minute] if (last := log.last()) else look_back(PublishingState(client), log, ownership)",
        ),
    ),
    mutant(
        "a leftover is settled by its own record",
        OWNERSHIP,
        f"{OWNERSHIPS}a_leftover_whose_record_is_not_there_stays",
        ("            if leftover.is_foreign:", "            if False:"),
    ),
    mutant(
        "… which is ours",
        OWNERSHIP,
        f"{OWNERSHIPS}a_leftover_of_a_minute_that_another_has_published_stays",
        ("or any(map(self.is_ours, own)):", "or own:"),
    ),
    mutant(
        "an operator's word covers nothing behind its minute",
        OWNERSHIP,
        f"{OWNERSHIPS}whoever_is_alive_after_all_stops_the_one_that_took_over",
        ("self._word is not None and minute <= self._word", "self._word is not None"),
    ),
    mutant(
        "the first minute is no operator's word",
        STATE,
        f"{OWNERSHIPS}of_two_new_ones_at_once_one_publishes",
        ("if first and settled and settled >= first - 1 else None", "if first else None"),
    ),
    mutant(
        "a Redis keeps its name",
        "counter/store/lua/identify.lua",
        f"{OWNERSHIPS}a_redis_keeps_its_name",
        ("redis.call('GET', KEYS[1]) or ARGV[1]", "ARGV[1]"),
    ),
    mutant(
        "the name is held by enough replicas",
        STATE,
        f"{REPLICA}without_the_replica_redis_gets_no_name_that_is_published",
        (
            "        with replicated(master_of(self._client, keys.ID)) as pipe:\n"
            "            self._identify(keys=[keys.ID], args=[uuid4().hex], client=pipe)",
            "        self._identify(keys=[keys.ID], args=[uuid4().hex])",
        ),
    ),
    mutant(
        "… also one that an earlier attempt has left behind",
        "counter/store/lua/identify.lua",
        f"{REPLICA}without_the_replica_redis_gets_no_name_that_is_published",
        ("redis.call('GET', KEYS[1]) or ARGV[1])", "ARGV[1], 'NX')"),
    ),
    mutant(
        "a fence from elsewhere is told from our own",
        FLUSHER,
        f"{OWNERSHIPS}a_fence_from_elsewhere_is_told_from_one_of_our_own",
        ('"fenced_from_elsewhere" if self._lease.is_ours() else "fenced"', '"fenced"'),
    ),
    mutant(
        "carry.lua: late calls count in no sealed minute",
        "counter/store/lua/carry.lua",
        f"{OWNERSHIPS}late_calls_never_come_into_a_sealed_minute",
        ("if ARGV[2] <= sealed then", "if false then"),
    ),
    mutant(
        "carry.lua: calls of a minute that is not sealed are not late",
        "counter/store/lua/carry.lua",
        f"{OWNERSHIPS}calls_of_a_minute_that_is_not_sealed_are_not_late",
        ("if not sealed or ARGV[1] > sealed then", "if false then"),
    ),
    mutant(
        "late calls are not guessed about",
        "tasks/management/commands/take_over.py",
        f"{OWNERSHIPS}late_calls_are_not_guessed_about",
        ('if late and not (options["carry"] or options["drop"]):', "if False:"),
    ),
    mutant(
        "what another has published says nothing of events counted here",
        "tasks/events/own_topic.py",
        f"{EVENTS}a_redis_that_lost_everything_is_filled_again_from_the_events_when_an_operator_has_spoken",
        ("if not Ownership(self._client).last(log):", "if not log.last():"),
    ),
    mutant(
        "consolidators leave a topic that has become another's",
        "tasks/events/own_topic.py",
        f"{EVENTS}two_new_ones_count_all_events_each_until_one_has_published",
        ("            ownership.last(log)\n", "            pass\n"),
    ),
    mutant(
        "consolidators of each Tally are a group of their own",
        "tasks/events/group.py",
        f"{EVENTS}two_new_ones_count_all_events_each_until_one_has_published",
        ('return f"{prefixed(GROUP)}-{tally}"', "return prefixed(GROUP)"),
    ),
    mutant(
        "who waits for PostgreSQL gives up",
        "project/postgresql/driver.py",
        f"{DATABASE}minutes_are_published_and_settled_and_the_history_is_filled_in_later[PostgreSQL-stopped]"
        f" {DATABASE}no_page_waits_longer_than_two_seconds[PostgreSQL-stopped-django]",
        ("            if not ready and not time_limit.left():", "            if False:"),
    ),
    mutant(
        "PostgreSQL gives up what nobody waits for",
        "project/postgresql/base.py",
        f"{DATABASE}nothing_piles_up_behind_a_lock",
        ('f"-c statement_timeout={limit} -c lock_timeout={limit}"', '""'),
    ),
    mutant(
        "who waits for a lock of SQLite's gives up",
        "project/sqlite/base.py",
        f"{DATABASE}no_page_waits_longer_than_two_seconds[SQLite-locked-web]",
        ("min(max(time_limit.left(), LEAST_SECONDS), DEFAULT_SECONDS)", "DEFAULT_SECONDS"),
    ),
    mutant(
        "a request's wait for the database is limited",
        "project/settings/django.py",
        f"{DATABASE}no_page_waits_longer_than_two_seconds[PostgreSQL-stopped-django]",
        ('    "project.request_limit.limit",\n', ""),
    ),
    mutant(
        "the history's wait for the database is limited",
        "tasks/publishing/history.py",
        f"{DATABASE}minutes_are_published_and_settled_and_the_history_is_filled_in_later[PostgreSQL-stopped]",
        ("    with within(SECONDS):\n        newest", "    if True:\n        newest"),
    ),
    mutant(
        "the history goes on behind its newest row",
        "tasks/publishing/history.py",
        f"{DATABASE}minutes_are_published_and_settled_and_the_history_is_filled_in_later[SQLite-locked]",
        ("newest.offset if newest else -1", "newest.offset + 2 if newest else -1"),
    ),
    mutant(
        "a worker that hangs in a step does not look alive",
        "tasks/management/commands/answers.py",
        "tests/deployment/test_liveness.py::test_a_worker_that_hangs_in_a_step_does_not_look_alive",
        ("if steps := overdue():", "if steps := []:"),
    ),
    mutant(
        "what a killed worker leaves behind ends in an outcome",
        "tasks/callbacks/webhook.py",
        "tests/callbacks/test_callbacks.py::test_what_a_killed_worker_had_in_hand_ends_in_an_outcome[True]",
        ("@task_revoked.connect(sender=call_endpoint)\n", ""),
    ),
    mutant(
        "a group that nobody can join is said",
        "tasks/events/consolidator.py",
        "tests/events/test_consolidator.py::test_a_group_that_nobody_can_join_is_said",
        ("            self._waiting.pause(NO_GROUP.format(error=error.args[0].str()))", "            pass"),
    ),
    mutant(
        "no endpoint is told 0 before its minute has a count",
        "tasks/callbacks/webhook.py",
        "tests/callbacks/test_callbacks.py::test_tells_no_count_before_there_is_one",
        (
            '        raise Unanswered("neither Redis nor the history has a count of the minute yet")',
            "        return 0",
        ),
    ),
    mutant(
        "a callback comes back before it is stale",
        "project/settings/celery.py",
        "tests/callbacks/test_callbacks.py::test_a_callback_that_comes_back_has_time_for_another_try",
        ('"visibility_timeout": 300', '"visibility_timeout": 3600'),
    ),
    mutant(
        "after a fatal error another client is made",
        "counter/sinks/kafka/sync_producer.py",
        "tests/deployment/test_tls.py::test_a_fatal_error_of_kafka_is_a_refusal_in_every_thread_and_the_next_call_begins_anew",
        ("            if self._producer is broken:", "            if False:"),
    ),
    mutant(
        "a recount that fails lets go of Kafka",
        "tasks/audits/minute_reader.py",
        "tests/publishing/test_handles.py::test_what_counts_again_leaves_no_client_when_it_fails",
        (
            "    def __exit__(self, *error: object) -> None:\n        self._reader.close()",
            "    def __exit__(self, *error: object) -> None:\n        pass",
        ),
    ),
    mutant(
        "a transaction that fails lets go of Kafka",
        PUBLISHER,
        "tests/publishing/test_handles.py::test_a_transaction_that_comes_to_nothing_leaves_no_client",
        (
            "partial(_delivered, self._offsets)",
            "lambda *report: _delivered(self._offsets, *report)",
        ),
    ),
    mutant(
        "connections ask the sentinels which one is the master",
        "counter/redis/sentinel.py",
        "tests/deployment/test_sentinel.py::test_a_master_is_killed_under_load[False]",
        (
            "    return SentinelConnectionPool(service.name",
            "    SentinelConnectionPool.get_master_address = _once\n    return SentinelConnectionPool(service.name",
        ),
        (
            "def celery_options",
            "async def _once(pool: Any) -> Any:\n"
            "    found = await pool.sentinel_manager.discover_master(pool.service_name)\n"
            "    pool.known = getattr(pool, 'known', found)\n"
            "    return pool.known\n\n\n"
            "def celery_options",
        ),
    ),
    mutant(
        "HAProxy repeats only what no server has heard",
        "ops/haproxy/tally.cfg",
        "tests/deployment/proxies/test_haproxy.py::test_a_call_that_a_dead_server_had_is_not_sent_to_the_other",
        ("retry-on conn-failure", "retry-on all-retryable-errors"),
    ),
    mutant(
        "nginx asks another web server where the first took no connection",
        NGINX,
        f"{TOPOLOGY}a_web_server_that_dies_costs_no_more_than_the_calls_it_had",
        ("        access_log off;\n        error_page 502 504 = @unsent;\n", "        access_log off;\n"),
    ),
    mutant(
        "nginx sends no call twice",
        NGINX,
        f"{TOPOLOGY}a_call_that_a_dead_web_server_had_is_not_sent_to_another",
        ('if ($upstream_bytes_sent != "0")', 'if ($upstream_bytes_sent = "none")'),
    ),
    mutant(
        "a web server's worker that does not end is killed",
        "project/workers.py",
        "tests/deployment/test_shutdown.py::test_a_worker_that_does_not_end_is_killed",
        ("                worker.kill()\n", ""),
    ),
    mutant(
        "a web server's worker that dies is replaced",
        "project/workers.py",
        f"{CONNECTIONS}a_worker_that_dies_is_replaced_and_the_other_takes_its_callers",
        ("get(number):\n            if worker.is_alive():\n", "get(number):\n            if True:\n"),
    ),
    mutant(
        "a connection that breaks takes no answer of others",
        "counter/accepting/hot_path.py",
        "tests/sinks/test_batcher.py::test_a_connection_that_breaks_takes_no_answer_of_others",
        ("        except Exception:  # of one", "        except ZeroDivisionError:  # of one"),
    ),
    mutant(
        "what is no HTTP is told in its turn",
        "counter/accepting/http/ordered_protocol.py",
        f"{HTTP}what_is_no_http_does_not_take_the_answers_before_it",
        ("        if waits:\n", "        if False:\n"),
    ),
    mutant(
        "a caller that has closed its sending half is answered",
        "counter/accepting/http/ordered_protocol.py",
        f"{HTTP}a_caller_that_has_said_all_is_answered",
        ("        return self._stage is not BODY and self._is_busy\n", "        return False\n"),
    ),
    mutant(
        "many pipelined requests do not begin inside one another",
        "counter/accepting/http/ordered_protocol.py",
        f"{CONNECTIONS}however_many_wait_none_begins_inside_another",
        ("        if self._is_proceeding or self.transport", "        if self.transport"),
        ("(cycle is None or cycle.response_complete)", "cycle is None"),
        ("        if self.pipeline or self.transport.is_closing():\n            return\n", ""),
    ),
    mutant(
        "who does not read its answers is not read from",
        "counter/accepting/http/ordered_protocol.py",
        f"{HTTP}who_does_not_read_answers_is_not_read_from",
        ("        self.flow.pause_reading()\n        self._allow", "        self._allow"),
        (" and not self.flow.write_paused:\n            self._parse(", ":\n            self._parse("),
    ),
    mutant(
        "a call is counted when all of it has come",
        "counter/accepting/http/ordered_protocol.py",
        f"{HTTP}who_expects_to_be_asked_for_the_body_is",
        ("        elif not cycle.more_body:\n", "        elif True:\n"),
    ),
    mutant(
        "HEAD does not count",
        "counter/api/views/accept.py",
        f"{HTTP}both_lanes_say_the_same_and_count_the_same[HEAD]",
        ('    http_method_names = ("get", "post")', '    http_method_names = ("get", "post", "head")'),
    ),
    mutant(
        "headers have a bound",
        "counter/accepting/http/bounded_protocol.py",
        f"{HTTP}headers_have_a_bound",
        ("self._unfinished > MAX_HEAD", "self._unfinished > 100 * MAX_HEAD"),
    ),
    mutant(
        "a call's body has a bound",
        "counter/accepting/http/accept_protocol.py",
        f"{HTTP}a_body_of_a_call_is_read_and_has_a_bound",
        ("        if self.cycle.body_size > MAX_BODY:", "        if False:"),
    ),
    mutant(
        "what frames a body has a bound",
        "counter/accepting/http/bounded_protocol.py",
        f"{HTTP}trailers_have_a_bound",
        ("        elif self._unfinished > MAX_MESSAGE:", "        elif False:"),
    ),
    mutant(
        "connections whose time is over are ended",
        "counter/accepting/http/connections.py",
        f"{CONNECTIONS}an_idle_connection_is_closed {CONNECTIONS}what_comes_too_slowly_is_told_and_closed",
        ("                each.expire()", "                pass"),
    ),
    mutant(
        "what is under way is not too slow",
        "counter/accepting/http/bounded_protocol.py",
        f"{CONNECTIONS}a_request_that_is_under_way_is_not_too_slow",
        (
            "            if not self._is_busy:\n                self.transport.close()",
            "            self.transport.close()",
        ),
    ),
    mutant(
        "a bound on connections",
        "counter/accepting/http/connections.py",
        f"{CONNECTIONS}the_newest_is_turned_away_where_there_are_too_many",
        ("        if len(self._open) >= self._most:\n", "        if False:\n"),
    ),
    mutant(
        "connections leave descriptors for the rest",
        "counter/accepting/http/connections.py",
        f"{CONNECTIONS}a_limit_of_descriptors_ends_in_refusals_not_in_spinning",
        ("min(self.limits.connections, allow_descriptors() - SPARE_DESCRIPTORS)", "self.limits.connections"),
    ),
    mutant(
        "a bound on the memory of unfinished requests",
        "counter/accepting/http/connections.py",
        f"{CONNECTIONS}memory_for_unfinished_bodies_is_bounded_for_all",
        ("        return self._held <= self.limits.held", "        return True"),
    ),
    mutant(
        "a bound on Django's requests under way",
        "counter/accepting/crowd.py",
        "tests/accepting/test_crowd.py",
        ("        if self._under_way >= MAX_UNDER_WAY +", "        if False and MAX_UNDER_WAY +"),
    ),
    mutant(
        "workers end with the process that would replace them",
        "project/workers.py",
        f"{CONNECTIONS}workers_do_not_outlive_their_parent",
        ("        threading.Thread(target=self._follow, daemon=True).start()\n", ""),
    ),
    mutant(
        "a connection lingers while its caller still sends what is refused",
        "counter/accepting/http/ordered_protocol.py",
        f"{HTTP}who_sends_too_much_reads_the_answer",
        (
            "        if self._stage is BODY and not self.pipeline:\n            self._linger()",
            "        if False:\n            self._linger()",
        ),
    ),
    mutant(
        "what was answered holds no memory",
        "counter/accepting/http/bounded_protocol.py",
        f"{CONNECTIONS}what_was_answered_holds_nothing",
        ("            self._release(min(self._held, unparsed))\n", "            pass\n"),
    ),
    mutant(
        "a batch of too many ids is refused before they are read",
        "counter/accepting/batches/batch_body.py",
        "tests/accepting/test_id_batch.py::test_no_body_holds_an_event_loop_up",
        ('    if body.count(b",") >= MAX_CALL_IDS:', "    if False:"),
    ),
    mutant(
        "… and one of too many lines before they are taken apart",
        "counter/accepting/batches/batch_call.py",
        "tests/accepting/test_id_batch.py::test_no_body_holds_an_event_loop_up",
        ('    if body.count(b"\\n") > MAX_LINES:', "    if False:"),
    ),
    mutant(
        "a call's ids are spread over buckets some at a time",
        "counter/sinks/places.py",
        "tests/sinks/test_rounds.py::test_no_round_spreads_more_ids_than_an_event_loop_may_wait_for",
        ("in _chunks(ids, ROUND_IDS):", "in _chunks(ids, len(ids)):"),
    ),
    mutant(
        "a body with a Content-Encoding is not taken for one without",
        "counter/accepting/batches/batch_path.py",
        "tests/accepting/test_api_batch.py::test_refuses_as_a_whole",
        ('    if name == b"content-encoding":', '    if name == b"content-coding":'),
    ),
    mutant(
        "without the token no body is waited for",
        "project/web.py",
        "tests/accepting/test_api_batch.py::test_without_the_token_it_is_refused_before_its_body_has_come",
        ("refuse=WithoutBody(crowd)", "refuse=BodyLimit(crowd)"),
    ),
    mutant(
        "a revoked token accepts no longer",
        "counter/accepting/caller_tokens.py",
        "tests/accepting/test_caller_tokens.py::test_it_opens_both_calls_until_it_is_revoked[web]",
        ("self._until = {", "self._until |= {"),
    ),
    mutant(
        "a token that the database could not be asked for is not called wrong",
        "counter/api/auth.py",
        "tests/accepting/test_caller_tokens.py::test_before_the_database_has_answered_a_token_may_be_right",
        ("if header and not tokens.are_known:", "if False:"),
    ),
    mutant(
        "readers do not wait for each other",
        "counter/store/pending.py",
        f"{HANG}every_answer_comes_in_time",
        ("from django.utils.functional import", "from functools import"),
    ),
    mutant(
        "the flush's long steps are nice",
        "tasks/publishing/manners.py",
        "tests/publishing/test_manners.py",
        ("        os.nice(NICENESS)", "        os.nice(0)"),
    ),
    mutant(
        "… but not for longer than a minute can wait",
        "tasks/publishing/manners.py",
        "tests/publishing/test_manners.py",
        ("            if not self._has_time():\n                break", "            pass"),
    ),
    mutant(
        "no part of an url that can't be read is shown",
        "project/environment.py",
        "tests/deployment/test_secrets.py::test_not_even_of_an_url_that_can_not_be_read[DATABASE_URL]",
        ("        except ValueError:", "        except ZeroDivisionError:"),
    ),
    mutant(
        "a minute's record goes to partition 0, by number",
        PUBLISHER,
        f"{SHAPE}a_topic_that_is_enlarged_while_a_minute_is_published_has_it_once",
        ('{"partition": PARTITION, ', "{"),
    ),
    mutant(
        "a commit that is acknowledged and not there is not made again",
        PUBLICATION,
        f"{COMMIT}what_is_committed_and_not_there_is_not_committed_again",
        ("self._state.acknowledge(records[-1].minute, offsets[0])", "pass"),
    ),
    mutant(
        "nothing is published behind someone's open transaction",
        FLUSHER,
        f"{SHAPE}a_transaction_that_someone_leaves_open_halts_and_is_named",
        ("self._forgotten.wait_decided(admin, transaction, log)", "pass"),
    ),
    mutant(
        "a transaction that Kafka forgot is aborted",
        FORGOTTEN,
        f"{FORGOTTENS}kafka_forgot_to_commit_is_published_once[all-6b.acknowledged.before]",
        ("            if self._has_aborted or is_read_in_part(admin, found, log):", "            if True:"),
    ),
    mutant(
        "… but not where a part of it can be read",
        FORGOTTEN,
        f"{FORGOTTENS}kafka_committed_in_part_is_not_published_again",
        (" or is_read_in_part(admin, found, log)", ""),
    ),
    mutant(
        "… and its commit is forgotten, too",
        FORGOTTEN,
        f"{FORGOTTENS}kafka_forgot_to_commit_is_published_once[all-6c.read_back.before]",
        ("            self._state.forget_acknowledged(left.since)\n", ""),
    ),
    mutant(
        "a topic of several partitions stops publishing",
        "tasks/kafka/shape.py",
        f"{SHAPE}three_partitions_halt_until_an_operator_agrees",
        ("each.partitions not in {1, kept}", "not each.partitions"),
    ),
    mutant(
        "partitions that hold records are not agreed to",
        "tasks/management/commands/keep_partitions.py",
        f"{SHAPE}partitions_with_records_of_others_are_not_agreed_to",
        ("        if others:", "        if not count:"),
    ),
    mutant(
        "a topic that forgets minutes stops publishing",
        RULES,
        f"{SHAPE}a_topic_that_forgets_minutes_halts",
        ('.split(",") and has_limit', '.split(",") and not limits'),
    ),
    mutant(
        "a topic that can take no record stops publishing",
        RULES,
        f"{SHAPE}a_setting_that_breaks_a_promise_halts[unique-counts-min_insync_replicas-2-takes_no_records]",
        ("if least > shape.replicas:", "if least > 1_000:"),
    ),
    mutant(
        "a topic that refuses full batches stops publishing",
        RULES,
        f"{SHAPE}a_setting_that_breaks_a_promise_halts[requests-max_message_bytes-1000-refuses_batches]",
        ("if most < LARGEST_BATCH:", "if most < 0:"),
    ),
    mutant(
        "counts of ids that are compacted away stop publishing",
        RULES,
        f"{SHAPE}a_setting_that_breaks_a_promise_halts[id-counts-cleanup_policy-compact-newest_record_of_each_id]",
        ('if "compact" in', 'if "both" in'),
    ),
    mutant(
        "events with their callers' times stop publishing",
        RULES,
        f"{SHAPE}a_setting_that_breaks_a_promise_halts[requests-message_timestamp_type-CreateTime-clocks_must_not_decide]",
        ("if by not in TRUSTED_TIMES:", "if not by:"),
    ),
    mutant(
        "… and wait to be counted",
        "tasks/events/assignment.py",
        f"{SHAPE}events_with_their_callers_times_wait_until_the_broker_gives_them",
        ("misfit(self._client) or why_uncountable(self._admin)", "misfit(self._client)"),
        ("                why = why_uncountable(self._admin)\n", "                why = None\n"),
    ),
    mutant(
        "… and move no minute on",
        "counter/kafka/requests.py",
        f"{SHAPE}events_with_their_callers_times_in_the_middle_count_in_the_logs_time",
        ("            time = 0\n", ""),
    ),
    mutant(
        "one broker has a commit on disk before it acknowledges",
        "embedded/server.properties",
        "tests/faults/kafka/test_power_cut.py::test_a_minute_is_on_disk_before_its_commit_is_acknowledged",
        ("log.flush.interval.messages=1\n", ""),
    ),
    mutant(
        "topics of one replica are made to be on disk",
        "tasks/kafka/topics.py",
        f"{SHAPE}topics_as_they_are_made_are_as_they_must_be",
        ("if durable == ALONE:", "if not durable:"),
    ),
    mutant(
        "each prefix has a fence of its own",
        PUBLISHER,
        "tests/publishing/test_prefix.py::test_the_fence_of_one_is_not_the_others",
        ('prefixed(f"{prefix}{TRANSACTIONAL_ID}")', 'f"{prefix}{TRANSACTIONAL_ID}"'),
    ),
    mutant(
        "a single call's answer is kept by no cache",
        "counter/accepting/hot_path.py",
        "tests/accepting/test_caches.py::test_no_cache_keeps_an_answer",
        ('            f"{caches.HEADER.lower()}: {caches.NO_STORE}",\n', ""),
    ),
    mutant(
        "Django gets a query that it can read, whatever its bytes",
        "project/asgi.py",
        "tests/accepting/test_ascii_query.py::test_a_query_that_is_no_text_is_read_byte_by_byte",
        ('AsciiQuery(cast("App", get_asgi_application()))', 'cast("App", get_asgi_application())'),
    ),
    mutant(
        "a line of a log has a bound",
        "project/telemetry/logs.py",
        "tests/monitoring/test_log_bounds.py::test_no_line_is_longer_than_its_bound",
        ("return line if len(line) <= MAX_LINE else self._cut(line)", "return line"),
    ),
    mutant(
        "a logger has so many lines a second",
        "project/telemetry/log_bounds.py",
        "tests/monitoring/test_log_bounds.py::test_a_logger_has_so_many_lines_a_second_and_tells_what_it_left_out",
        ("is_room = self._lines <= self._room", "is_room = True"),
    ),
    mutant(
        "the console says what no consolidator has counted",
        "tasks/events/backlog.py",
        f"{HEADLINE}events_that_nobody_counts_are_said",
        ("max(0, cut - counted)", "0"),
    ),
    mutant(
        "… and not what has just come",
        "tasks/events/backlog.py",
        f"{HEADLINE}an_event_that_has_just_come_is_on_its_way",
        ("cuts[partition] if cuts[partition] >= 0 else end", "end"),
    ),
    mutant(
        "the console says that Kafka is away",
        "console/headline/kafka.py",
        f"{HEADLINE}a_kafka_that_hangs_is_said",
        ("        yield _away(error.args[0].str())", "        raise"),
    ),
    mutant(
        "an odd query is a clear page",
        "console/odd_queries.py",
        "tests/console/test_console_queries.py::test_an_odd_query_is_a_clear_page",
        ("except ODD as error:", "except ZeroDivisionError as error:"),
    ),
    mutant(
        "no process starts with a SECRET_KEY that can be guessed",
        "counter/monitoring/secret_checks.py",
        "tests/monitoring/test_checks.py::test_a_secret_key_that_can_be_guessed_is_found",
        ("if len(key) >= MIN_LENGTH and", "if len(key) >= 0 or"),
    ),
    mutant(
        "… nor where others may read it",
        "counter/monitoring/secret_checks.py",
        "tests/monitoring/test_checks.py::test_a_secret_that_others_may_read_is_found",
        ("path.stat().st_mode & OTHERS", "path.stat().st_mode & 0"),
    ),
    mutant(
        "a consumer that hears nothing is made anew",
        "tasks/events/consolidator.py",
        "tests/events/test_consolidator.py::test_a_consumer_that_hears_nothing_is_made_anew",
        (" and not self._is_deaf():", ":"),
    ),
    mutant(
        "a venv that something runs from is left alone",
        "ops/make-venv",
        "tests/deployment/test_make_venv.py::test_one_that_something_runs_from_is_left_alone",
        ("elif is_used; then", "elif false; then"),
    ),
    mutant(
        "a scrape leaves out what it can't read",
        "counter/telemetry/metric_files.py",
        "tests/monitoring/test_metric_files.py::test_an_odd_file_is_left_out_and_the_rest_is_told",
        ("for file in found if _is_readable(file)]", "for file in found]"),
    ),
    mutant(
        "HAProxy judges the path that Tally will see",
        "ops/haproxy/tally.cfg",
        "tests/deployment/proxies/test_strangers.py::test_no_spelling_opens_a_closed_path",
        ("acl health path,url_dec", "acl health path"),
    ),
    mutant(
        "HAProxy waits for a body before web hears of it",
        "ops/haproxy/tally.cfg",
        "tests/deployment/proxies/test_strangers.py::test_a_body_that_does_not_come_is_timed_out_before_web_hears_of_it",
        ("    http-request wait-for-body time 5s\n", ""),
    ),
    mutant(
        "one client has a bound on its requests under way",
        "ops/haproxy/tally.cfg",
        "tests/deployment/proxies/test_strangers.py::test_many_bodies_that_do_not_come_hold_up_nobody_else",
        ("    http-request deny deny_status 429 if { sc2_conn_cur gt 200 }\n", ""),
    ),
    mutant(
        "an endpoint that is down has no more than its share of retries",
        "tasks/callbacks/retries.py",
        "tests/callbacks/test_callbacks.py"
        "::test_an_endpoint_that_is_down_has_no_more_than_its_share_of_retries",
        ("if int(broker().zcard(key)) >= MAX_RETRIES_WAITING:", "if False:"),
    ),
    mutant(
        "what halted is looked at again before the next tick",
        "tasks/publishing/flush_task.py",
        "tests/faults/processes/test_messages.py::test_publishing_goes_on_soon_after_a_repair",
        ("        if task.request.retries < MAX_RETRIES:", "        if False:"),
    ),
    mutant(
        "guessing stops",
        "project/settings/django.py",
        "tests/console/test_log_ins.py::test_guessing_stops_and_calls_go_on_meanwhile",
        ("AXES_FAILURE_LIMIT = 10", "AXES_FAILURE_LIMIT = 10_000"),
    ),
    mutant(
        "only global unicast is called",
        "tasks/callbacks/addresses.py",
        "tests/callbacks/test_addresses.py",
        ("return address in GLOBAL_IPV6 and not any(", "return not any("),
    ),
    mutant(
        "an allowed host is called on its port alone",
        "tasks/callbacks/addresses.py",
        "tests/callbacks/test_callbacks.py::test_an_allowed_host_is_called_on_its_port_alone",
        ("(host in allowed and port in DEFAULT_PORTS)", "host in allowed"),
    ),
    mutant(
        "count.lua: no counter counts before it is opened",
        "counter/store/lua/count.lua",
        f"{OPENINGS}it_begins_behind_all_that_was_sealed",
        ("  if not buckets and not is_default(layout) then", "  if false then"),
    ),
    mutant(
        "a counter is registered before it is looked how far is sealed",
        OPENING,
        f"{OPENINGS}a_seal_that_comes_in_between_is_kept",
        ("    register(client, counter)\n    buckets =", "    buckets ="),
        ("    Progress(client).begin_counter(counter)\n", "    register(client, counter)\n"),
    ),
    mutant(
        "a new counter is sealed as far as all others",
        OPENING,
        f"{OPENINGS}it_begins_behind_all_that_was_sealed",
        ("        CountStore(client, buckets).seal(sealed)", "        pass"),
    ),
    mutant(
        "a counter that is opened while the buckets change is closed again",
        OPENING,
        f"{OPENINGS}a_change_of_the_number_that_comes_in_between_closes_it",
        ("                pipe.set(bucket.layout, CLOSED)", "                pipe.get(bucket.layout)"),
    ),
    mutant(
        "a counter is published though no setting names it",
        "counter/store/registry.py",
        f"{ROW}a_counter_that_is_taken_out_is_published_to_its_end_and_begins_anew_when_it_comes_back",
        ("{*settings.COUNTERS, *registered(client)}", "settings.COUNTERS"),
    ),
    mutant(
        "a counter's row goes on with zeros",
        ROWS,
        f"{ROW}each_counters_row_begins_with_its_first_id_and_has_no_gap",
        ("if of.total or counter in ongoing]", "if of.total or not counter]"),
    ),
    mutant(
        "what a minute was published without is carried, not settled",
        FLUSHER,
        f"{ROW}calls_of_a_minute_that_was_published_without_their_counter_count_in_a_later_one",
        ("            if leftover.is_published:", "            if True:"),
    ),
    mutant(
        "a leftover is settled by the record of its own counter",
        OWNERSHIP,
        f"{ROW}calls_of_a_minute_that_was_published_without_their_counter_count_in_a_later_one",
        ("own = [each for each in records if each.record.counter == counter]", "own = list(records)"),
    ),
    mutant(
        "a minute is over when all counters have been read past its end",
        "tasks/publishing/watermark.py",
        f"{EVENTS_OF_COUNTERS}no_minute_is_over_before_all_counters_have_been_read_past_its_end",
        ("Progress(client, keys.counters_of(known))", "Progress(client)"),
    ),
    mutant(
        "the id of a named counter has no white space in it",
        "counter/ids.py",
        "tests/accepting/test_accept_call.py::test_refuses_a_bad_call_of_a_counter_and_changes_nothing",
        ('        and len(" ".join(texts).split()) == len(texts)\n', ""),
    ),
)


def main() -> None:
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [mutant for mutant in MUTANTS if word in mutant.guard]
    if not chosen:
        sys.exit(f"no guard has {word!r} in its name")
    expect_to_pass({mutant.test for mutant in chosen})
    survivors = 0
    print("| guard taken out | where | test | it |\n| --- | --- | --- | --- |", flush=True)
    with ThreadPoolExecutor(AT_ONCE) as judges:
        for mutant, outcome in zip(chosen, judges.map(judge, chosen), strict=True):
            survivors += outcome != "fails"
            print(row(mutant, outcome), flush=True)
    sys.exit(f"{survivors} of {len(chosen)} were not noticed" if survivors else 0)


def expect_to_pass(tests: set[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="tally-mutant-") as folder:
        tree = copy(Path(folder))
        for options in (("-n3", "--dist=loadfile", "-m", "not timed"), ("-n0", "-m", "timed")):
            status = run(tree, " ".join(sorted(tests)), *options, seconds=ALL_SECONDS)
            if status not in (0, NONE_CHOSEN):
                log = (tree / "pytest.log").read_text()
                sys.exit(f"with all guards in place they do not pass:\n{log[-5000:]}")


def row(mutant: Mutant, outcome: str) -> str:
    """Of the table, as docs/faults.md has it."""
    tests = " ".join(f"`{name.partition('::')[2] or name}`" for name in mutant.test.split())
    return f"| {mutant.guard} | `{mutant.file}` | {tests} | {outcome} |"


def judge(mutant: Mutant) -> str:
    """What the mutant's test does with it: `fails`, as it must, or something else."""
    with tempfile.TemporaryDirectory(prefix="tally-mutant-") as folder:
        tree = copy(Path(folder))
        for before, after in mutant.edits:
            text = (tree / mutant.file).read_text()
            assert text.count(before) == 1, f"{mutant.guard}: {before!r} is there {text.count(before)} times"
            (tree / mutant.file).write_text(text.replace(before, after))
        status = run(tree, mutant.test, "-n0", "-x", "-m", "")
        return "fails" if status == FAILED else "**passes**" if status == 0 else f"can't run ({status})"


def copy(tree: Path) -> Path:
    for path in tracked():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tree / path)
    return tree


def tracked() -> Iterator[Path]:
    """The files of the tree, as they are now."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    return (path for name in listed.stdout.decode().splitlines() if (ROOT / (path := Path(name))).is_file())


def run(tree: Path, tests: str, *options: str, seconds: int = TIMEOUT_SECONDS) -> int:
    chosen = ["-q", "-p", "no:cacheprovider", *options, *tests.split()]
    with (tree / "pytest.log").open("w") as log:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *chosen],
            cwd=tree,
            stdout=log,
            stderr=log,
            timeout=seconds,
            check=False,
        )
    return done.returncode


if __name__ == "__main__":
    main()
