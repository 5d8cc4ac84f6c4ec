"""Redis is killed, or its data damaged or put back: nothing acknowledged is lost, nothing published twice."""

import shutil
from collections import Counter
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from counter.redis.clients import connect, connect_for_accept
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store.counts import CountStore
from embedded.valkey import Valkey
from tasks.publishing.flush import Flush
from tests.faults.tally import Tally
from tests.support.callers.load import Load
from tests.support.checker import Calls, verify_waiting
from tests.support.processes import Process, ServerProcess
from tests.support.tally.web import serving


def test_no_call_is_lost_by_kills_under_load(own_valkey: ServerProcess) -> None:
    with serving(workers=2, REDIS_URL=settings.REDIS_URL) as url, Load(url, clients=8) as load:
        for _ in range(5):
            load.wait_for(300)
            own_valkey.kill()
            own_valkey.start()
        load.wait_for(300)
    with connect() as client:
        verify_waiting(load.calls, client)


def test_a_torn_tail_refuses_to_start_with_a_clear_line(own_valkey: ServerProcess) -> None:
    recorder = SyncWriter(connect_for_accept())
    for id in range(100):
        recorder.record([id])
    own_valkey.kill()
    Valkey(own_valkey.server.home, urlsplit(settings.REDIS_URL).port or 0).prepare()  # as `make run` has it
    [file] = own_valkey.server.home.glob("appendonlydir/*.incr.aof")
    whole = file.read_bytes()
    file.write_bytes(whole[:-7])
    Process.start(own_valkey)  # which does not wait for it to answer
    assert own_valkey.wait() != 0
    assert "Unexpected end of file reading the append only file" in own_valkey.output
    file.write_bytes(whole)
    own_valkey.start()
    with connect() as client:
        verify_waiting(Calls(ok=Counter(range(100))), client)


@pytest.mark.django_db
@pytest.mark.usefixtures("kafka")
def test_an_old_backup_publishes_nothing_twice(own_valkey: ServerProcess, tmp_path: Path) -> None:
    with connect() as client, closing(Tally(client, CountStore.known(client))) as tally:
        tally.end_two_minutes()
        home, backup = own_valkey.server.home, tmp_path / "backup"
        own_valkey.kill()
        shutil.copytree(home, backup)
        own_valkey.start()
        Flush(tally.store.client).run()
        own_valkey.kill()
        shutil.rmtree(home)
        backup.rename(home)
        own_valkey.start()
        Flush(tally.store.client).run()
        tally.accept(1)
        tally.end_minute()
        Flush(tally.store.client).run()
        tally.verify()


@pytest.mark.django_db
@pytest.mark.usefixtures("kafka")
def test_a_backup_of_a_running_redis_has_all_that_was_accepted(
    own_valkey: ServerProcess, tmp_path: Path
) -> None:
    with connect() as client, closing(Tally(client, CountStore.known(client))) as tally:
        tally.end_two_minutes()
        home, backup = own_valkey.server.home, tmp_path / "backup"
        client.config_set("auto-aof-rewrite-percentage", 0)
        shutil.copytree(home / "appendonlydir", backup)
        own_valkey.kill()
        shutil.rmtree(home / "appendonlydir")
        backup.rename(home / "appendonlydir")
        own_valkey.start()
        Flush(tally.store.client).run()
        tally.verify()
