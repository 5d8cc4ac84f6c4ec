"""Mutants: one guard at a time is taken out of a copy of the tree, and a test must fail.

`python -m tests.mutants [word]` prints a table; with a word, only of the guards whose name has it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.processes import ROOT

TIMEOUT_SECONDS = 600
FAILED = 1
"""pytest's exit status when tests failed, and not for another reason."""


@dataclass(frozen=True)
class Mutant:
    """A guard, how to take it out, and the test that must notice."""

    guard: str
    file: str
    edits: tuple[tuple[str, str], ...]
    test: str


def mutant(guard: str, file: str, test: str, *edits: tuple[str, str]) -> Mutant:
    return Mutant(guard, file, edits, test)


COMMIT, KILL, ZOMBIE = (f"tests/faults/test_{name}.py::test_" for name in ("commit", "kill", "zombies"))
CUT, REPLICA = (f"tests/faults/test_{name}.py::test_" for name in ("redis_cut", "replica"))
SKEW = "tests/faults/test_skew.py::test_"
FLUSH, MODEL = "tests/test_flush.py::test_", "tests/test_model.py"
EVENTS, LAYOUT = "tests/test_consolidator.py::test_", "tests/test_layout.py::test_"
TOPOLOGY, NGINX = "tests/test_topology.py::test_", "ops/nginx/tally.conf"
PUBLISHER, FLUSHER, ACCEPT = (
    "tasks/publishing/transaction.py",
    "tasks/publishing/flush.py",
    "counter/store/lua/accept.lua",
)

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
            '                "transactional.id": f"{prefix}{TRANSACTIONAL_ID}",',
            '                "transactional.id": f"{TRANSACTIONAL_ID}-{time.time()}",',
        ),
        (
            "        while True:\n            self._keep_alive()\n            try:",
            "        while True:\n            try:",
        ),
    ),
    mutant(
        "a commit of unknown outcome is not taken for success",
        FLUSHER,
        f"{COMMIT}a_commit_of_unknown_outcome_ends_in_one_copy[lose_the_request-False]",
        ("import time\n", "import time\nfrom contextlib import suppress\n"),
        (
            "            offsets = transaction.commit()",
            "            with suppress(KafkaAway):\n                transaction.commit()",
        ),
        ("published = self._read_back(log, offsets, records)", "published: list[Published] = []"),
    ),
    mutant(
        "read back before deleting",
        FLUSHER,
        f"{COMMIT}what_cannot_be_read_back_is_not_deleted",
        ("published = self._read_back(log, offsets, records)", "published: list[Published] = []"),
    ),
    mutant(
        "delete only after the commit: 6b before 6e",
        FLUSHER,
        f"{KILL}a_killed_flush_is_finished_by_the_next[6b.commit.before-1]",
        (
            '        with step("6b.commit"):',
            "        for minute, of in stats:\n"
            "            if of.total:\n"
            "                self._settle(minute)\n"
            '        with step("6b.commit"):',
        ),
    ),
    mutant(
        "read_committed",
        "tasks/publishing/published_log.py",
        f"{COMMIT}a_commit_of_unknown_outcome_ends_in_one_copy[lose_the_request-False]",
        ('"isolation.level": "read_committed"', '"isolation.level": "read_uncommitted"'),
    ),
    mutant(
        "leftovers are settled",
        FLUSHER,
        f"{KILL}a_killed_flush_is_finished_by_the_next[6d.record.after-1]",
        (
            "                for minute in self._store.pending(watermark):",
            "                for minute in []:",
        ),
    ),
    mutant(
        "the watermark raises the seal",
        FLUSHER,
        f"{FLUSH}an_old_backup_in_which_a_published_minute_is_open_is_settled",
        ("                self._store.seal(watermark)", "                pass"),
    ),
    mutant(
        "the lease: one flusher works at a time",
        "counter/store/counts.py",
        f"{FLUSH}only_one_flusher_works_at_a_time",
        ("        return self._held\n", "        return True\n"),
    ),
    mutant(
        "an index that does not fit its stats",
        FLUSHER,
        f"{FLUSH}an_index_that_does_not_fit_stops_it",
        ("                self._store.check(minute, stats)", "                pass"),
    ),
    mutant(
        "the clocks of Redis and worker agree",
        "tasks/publishing/checkpoint.py",
        "tests/faults/test_clock.py::test_a_jump_and_back",
        (" > MAX_CLOCK_DIFFERENCE_SECONDS:", " > 10**9:"),
    ),
    mutant(
        "a topic that lost its end",
        "tasks/publishing/checkpoint.py",
        f"{FLUSH}a_topic_that_lost_its_last_records_stops_it",
        ("if settled and settled > watermark:", "if False:"),
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
        "tasks/publishing/published_log.py",
        "tests/faults/test_topic.py::test_deleted_topics_stop_the_flush_until_an_operator_has_spoken",
        (", KafkaError._UNKNOWN_PARTITION)", ")"),
    ),
    mutant(
        "accept.lua: no write in a sealed minute",
        ACCEPT,
        f"{MODEL} tests/faults/test_size.py::test_writers_race_the_seal[100000]",
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
        "tests/test_batcher.py::test_a_repeated_batch_counts_once_even_after_its_minute",
        (
            "if last and tonumber(ARGV[4]) <= tonumber(last) then",
            "if last and tonumber(ARGV[4]) <= tonumber(last)\n"
            "  and ARGV[1] > (redis.call('GET', KEYS[1]) or '') then",
        ),
    ),
    mutant(
        "count.lua: room is left for the flush and its queue",
        "counter/store/lua/count.lua",
        "tests/faults/test_memory.py::test_full_of_calls_the_worker_and_its_queue_go_on",
        ("local FULL = 0.9", "local FULL = 2"),
    ),
    mutant(
        "a node with little memory left is asked by each script",
        "counter/sinks/redis/async_writer.py",
        "tests/test_batcher.py::test_a_full_redis_refuses_the_calls_for_every_bucket",
        ("each_asks=connection in self._full", "each_asks=False"),
    ),
    mutant(
        "only so many batches may wait",
        "counter/accepting/batch_path.py",
        "tests/test_batch_path.py",
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
        "counter/sinks/redis/delivery.py",
        f"{REPLICA}without_the_replica_no_call_is_acknowledged",
        ("    if primary and replicas >= settings.ACCEPT_REPLICAS:", "    if True:"),
    ),
    mutant(
        "what is published is held by enough replicas",
        "counter/store/counts.py",
        f"{REPLICA}without_the_replica_nothing_is_published",
        ("        if settings.ACCEPT_REPLICAS:", "        if False:"),
    ),
    mutant(
        "where the log begins is held by enough replicas",
        "counter/store/counts.py",
        f"{REPLICA}without_the_replica_it_is_not_decided_where_the_log_begins",
        (
            "        with replicated(master_of(self._redis, keys.FIRST)) as pipe:\n"
            "            pipe.set(keys.FIRST, str(minute), nx=True)",
            "        self._redis.set(keys.FIRST, str(minute), nx=True)",
        ),
    ),
    mutant(
        "a seal is held in every bucket",
        "counter/store/counts.py",
        "tests/faults/test_cluster.py::test_a_seal_that_a_failover_has_taken_back_is_set_again",
        ("                for bucket in buckets:", "                for bucket in buckets[:1]:"),
    ),
    mutant(
        "a seal learns of new buckets",
        "counter/store/counts.py",
        f"{LAYOUT}a_flush_that_has_slept_over_a_change_misses_nothing",
        (
            "        while left := [bucket for bucket in self.learn() if bucket not in sealed]:",
            "        for left in [self.buckets]:",
        ),
    ),
    mutant(
        "the flush looks into the buckets of before",
        "counter/store/counts.py",
        f"{LAYOUT}old_minutes_are_published_and_new_ones_begin_after_them",
        ("*map(int, found or before)}", "}"),
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
        ("    _seal(store)\n", ""),
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
        "counter/store/clients.py",
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
        ("if not sealed or minute > sealed then", "if false then"),
    ),
    mutant(
        "settle.lua: by chunks",
        "counter/store/counts.py",
        "tests/faults/test_size.py::test_a_minute_of_a_million_calls[1000000]",
        ("args=[str(minute), CHUNK]", "args=[str(minute), 10**6]"),
    ),
    mutant(
        "an append-only file that is cut short is not loaded",
        "embedded/valkey.py",
        "tests/faults/test_redis_killed.py::test_a_torn_tail_refuses_to_start_with_a_clear_line",
        ('"aof-load-truncated": "no"', '"aof-load-truncated": "yes"'),
    ),
    mutant(
        "no answer before Redis has answered",
        "counter/sinks/redis/group_commit.py",
        f"{CUT}a_batch_of_the_hot_path_counts_once",
        (
            "        await self._committer.commit({",
            "        for part in parts.values():\n"
            "            part.outcome.set_result(True)\n"
            "            part.outcome = _Outcome()\n"
            "        await self._committer.commit({",
        ),
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
        "tests/test_event_mode.py::test_the_number_of_buckets_is_changed_outside_of_event_mode_alone",
        ("    if tags and tags != {bucket.tag for bucket in new}:", "    if False:"),
    ),
    mutant(
        "… nor while a consolidator begins",
        "counter/store/rebucketing.py",
        "tests/test_event_mode.py::test_a_consolidator_that_begins_in_the_middle_of_a_change_breaks_it_off",
        ("    _check_events(store, new)  # once more: a consolidator may just have begun\n", ""),
    ),
    mutant(
        "a consolidator with another number of buckets begins nothing",
        "tasks/events/consolidator.py",
        "tests/test_event_mode.py::test_a_consolidator_with_another_number_of_buckets_begins_nothing",
        ("if why := misfit(self._client):", "if why := None:"),
    ),
    mutant(
        "minutes wait for events in another number of buckets",
        "tasks/publishing/watermark.py",
        "tests/test_event_mode.py::test_minutes_wait_for_events_in_another_number_of_buckets",
        ("if not store.event_buckets() and", "if not store.progress().positions() and"),
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
        ("Closing(min(by_clock, by_events), partitions)", "Closing(by_events, partitions)"),
    ),
    mutant(
        "events hold minutes back whatever ACCEPT_SINK says",
        "tasks/publishing/watermark.py",
        "tests/test_event_mode.py::test_events_hold_minutes_back_also_when_calls_are_counted_at_once_again",
        ("if not store.event_buckets() and not is_event_mode():", "if not is_event_mode():"),
    ),
    mutant(
        "the first minute ever is the earliest of all partitions",
        "tasks/publishing/checkpoint.py",
        f"{EVENTS}the_first_minute_is_the_earliest_of_all_partitions",
        ("if closing.partitions and pending[0] > closing.minute:", "if False:"),
    ),
    mutant(
        "what was published as events is not counted again",
        "tasks/events/consolidator.py",
        f"{EVENTS}a_redis_that_lost_everything_is_filled_again_from_the_events"
        f" {EVENTS}an_old_backup_of_redis_is_brought_up_to_date_from_the_events",
        ("if not published or published.partitions <= partition:", "if True:"),
        ("if published and partition < published.partitions and", "if published and False and"),
    ),
    mutant(
        "events that Kafka deleted uncounted stop their partition",
        "tasks/events/consolidator.py",
        f"{EVENTS}events_that_kafka_deleted_uncounted_stop_their_partition_until_an_operator_has_spoken",
        ('"auto.offset.reset": "error"', '"auto.offset.reset": "earliest"'),
    ),
    mutant(
        "event mode is left only when all is counted",
        "tasks/management/commands/leave_event_mode.py",
        "tests/test_event_mode.py::test_events_hold_minutes_back_also_when_calls_are_counted_at_once_again",
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
        "HAProxy repeats only what no server has heard",
        "ops/haproxy/tally.cfg",
        "tests/test_haproxy.py::test_a_call_that_a_dead_server_had_is_not_sent_to_the_other",
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
        "a web server whose workers do not hear SIGTERM ends",
        "bin/tally",
        "tests/test_shutdown.py::test_it_ends_also_when_its_workers_have_not_heard_it",
        (" --workers-kill-timeout 20", ""),
    ),
    mutant(
        "no part of an url that can't be read is shown",
        "project/environment.py",
        "tests/test_secrets.py::test_not_even_of_an_url_that_can_not_be_read[DATABASE_URL]",
        ("        except ValueError:", "        except ZeroDivisionError:"),
    ),
    mutant(
        "a single call's answer is kept by no cache",
        "counter/accepting/hot_path.py",
        "tests/test_caches.py::test_no_cache_keeps_an_answer",
        ("        (caches.HEADER.lower().encode(), caches.NO_STORE.encode()),\n", ""),
    ),
    mutant(
        "Django gets a query that it can read, whatever its bytes",
        "project/asgi.py",
        "tests/fuzz/test_entrances.py::test_both_lanes_read_a_query_alike",
        ("BodyLimit(AsciiQuery(django_app))", "BodyLimit(django_app)"),
    ),
    mutant(
        "a line of a log has a bound",
        "project/logs.py",
        "tests/test_log_bounds.py::test_no_line_is_longer_than_its_bound",
        ("return line if len(line) <= MAX_LINE else self._cut(line)", "return line"),
    ),
    mutant(
        "a logger has so many lines a second",
        "project/log_bounds.py",
        "tests/test_log_bounds.py::test_a_logger_has_so_many_lines_a_second_and_tells_what_it_left_out",
        ("is_room = self._lines <= self._room", "is_room = True"),
    ),
    mutant(
        "an odd query is a clear page",
        "console/odd_queries.py",
        "tests/test_console_queries.py::test_an_odd_query_is_a_clear_page",
        ("except ODD as error:", "except ZeroDivisionError as error:"),
    ),
    mutant(
        "no process starts with a SECRET_KEY that can be guessed",
        "counter/secret_checks.py",
        "tests/test_checks.py::test_a_secret_key_that_can_be_guessed_is_found",
        ("if len(key) >= MIN_LENGTH and", "if len(key) >= 0 or"),
    ),
    mutant(
        "… nor where others may read it",
        "counter/secret_checks.py",
        "tests/test_checks.py::test_a_secret_that_others_may_read_is_found",
        ("path.stat().st_mode & OTHERS", "path.stat().st_mode & 0"),
    ),
    mutant(
        "a venv that something runs from is left alone",
        "ops/make-venv",
        "tests/test_make_venv.py::test_one_that_something_runs_from_is_left_alone",
        ('if grep -lsF "$venv/"', 'if false && grep -lsF "$venv/"'),
        ("|| ps -A", "|| false && ps -A"),
    ),
    mutant(
        "a scrape leaves out what it can't read",
        "counter/metric_files.py",
        "tests/test_metric_files.py::test_an_odd_file_is_left_out_and_the_rest_is_told",
        ("for file in found if _is_readable(file)]", "for file in found]"),
    ),
    mutant(
        "HAProxy judges the path that Tally will see",
        "ops/haproxy/tally.cfg",
        "tests/test_closed_paths.py::test_no_spelling_opens_a_closed_path",
        ("acl health path,url_dec", "acl health path"),
    ),
    mutant(
        "HAProxy waits for a body before web hears of it",
        "ops/haproxy/tally.cfg",
        "tests/test_closed_paths.py::test_a_body_that_does_not_come_is_timed_out_before_web_hears_of_it",
        ("    http-request wait-for-body time 5s\n", ""),
    ),
    mutant(
        "guessing stops",
        "project/settings.py",
        "tests/test_log_ins.py::test_guessing_stops_and_calls_go_on_meanwhile",
        ("AXES_FAILURE_LIMIT = 10", "AXES_FAILURE_LIMIT = 10_000"),
    ),
    mutant(
        "only global unicast is called",
        "tasks/callbacks/addresses.py",
        "tests/test_addresses.py",
        ("return address in GLOBAL_IPV6 and not any(", "return not any("),
    ),
    mutant(
        "an allowed host is called on its port alone",
        "tasks/callbacks/addresses.py",
        "tests/test_callbacks.py::test_an_allowed_host_is_called_on_its_port_alone",
        ("(host in allowed and port in DEFAULT_PORTS)", "host in allowed"),
    ),
)


def main() -> None:
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [mutant for mutant in MUTANTS if word in mutant.guard]
    survivors = 0
    print("| guard taken out | where | test | it |\n| --- | --- | --- | --- |", flush=True)
    for mutant in chosen:
        outcome = judge(mutant)
        survivors += outcome != "fails"
        tests = " ".join(f"`{name.partition('::')[2] or name}`" for name in mutant.test.split())
        print(f"| {mutant.guard} | `{mutant.file}` | {tests} | {outcome} |", flush=True)
    sys.exit(f"{survivors} of {len(chosen)} were not noticed" if survivors else 0)


def judge(mutant: Mutant) -> str:
    """What the mutant's test does with it: `fails`, as it must, or something else."""
    with tempfile.TemporaryDirectory(prefix="tally-mutant-") as folder:
        tree = Path(folder)
        for path in tracked():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, tree / path)
        if (status := run(tree, mutant.test)) != 0:
            return f"does not even pass without it ({status})"
        for before, after in mutant.edits:
            text = (tree / mutant.file).read_text()
            assert text.count(before) == 1, f"{mutant.guard}: {before!r} is there {text.count(before)} times"
            (tree / mutant.file).write_text(text.replace(before, after))
        status = run(tree, mutant.test)
        return "fails" if status == FAILED else "**passes**" if status == 0 else f"can't run ({status})"


def tracked() -> Iterator[Path]:
    """The files of the tree, as they are now."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    return (path for name in listed.stdout.decode().splitlines() if (ROOT / (path := Path(name))).is_file())


def run(tree: Path, tests: str) -> int:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "", "-p", "no:cacheprovider", *tests.split()]
    with (tree / "pytest.log").open("w") as log:
        done = subprocess.run(
            command,
            cwd=tree,
            stdout=log,
            stderr=log,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    return done.returncode


if __name__ == "__main__":
    main()
