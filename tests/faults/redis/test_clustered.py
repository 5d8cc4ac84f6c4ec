"""The flush's faults once more, with the counts in a Valkey Cluster: the same tests, unchanged.

Not those whose subject is one Redis, its connection, memory, clock or latency: test_cluster.py has a
cluster's own. And not those of messages that are lost and of beats, which never see where the counts are.
"""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import override_settings

from tests.faults.kafka.test_commit import (
    proxy,
    test_a_commit_of_unknown_outcome_ends_in_one_copy,
    test_a_delayed_end_of_an_earlier_transaction_is_rejected,
    test_a_lost_response_of_one_connection_is_asked_for_again,
    test_what_cannot_be_read_back_is_not_deleted,
)
from tests.faults.kafka.test_kafka_away import (
    test_accepting_goes_on_and_the_backlog_drains_in_order,
    test_killed_in_a_transaction,
    test_killed_in_a_transaction_and_away_for_long,
)
from tests.faults.kafka.test_topic import test_deleted_topics_stop_the_flush_until_an_operator_has_spoken
from tests.faults.processes.test_kill import (
    long_lived,
    test_a_killed_flush_is_finished_by_the_next,
    test_the_first_flush_ever_may_be_killed_as_well,
)
from tests.faults.processes.test_messages import (
    four_workers,
    test_twenty_tasks_at_once_make_progress_and_no_duplicate,
    test_twenty_tasks_whose_lease_is_broken_again_and_again,
)
from tests.faults.processes.test_stop import (
    test_a_worker_finishes_the_minute_that_it_is_at,
    test_a_worker_stops_under_load_of_tasks,
)
from tests.faults.processes.test_zombies import (
    stopped,
    test_a_killed_zombie_is_no_more_than_a_killed_flusher,
    test_a_lease_runs_out_by_itself,
    test_a_transaction_that_timed_out_is_begun_anew,
    test_an_overtaken_flusher_changes_nothing,
)
from tests.faults.tally import Worker
from tests.support.processes import run, wait_until
from tests.support.servers.redis_cluster import ValkeyCluster, running

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

BUCKETS = 16


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyCluster]:
    """Where this process and those that it starts count."""
    with running(tmp_path_factory.mktemp("cluster")) as cluster, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CELERY_BROKER_URL", settings.CELERY_BROKER_URL)
        values = {"REDIS_URL": cluster.url, "REDIS_BUCKETS": BUCKETS, "ACCEPT_REPLICAS": 1}
        for name, value in values.items():
            patch.setenv(name, str(value))
        with override_settings(**values):
            yield cluster


@pytest.fixture(scope="module")
def worker_process(worker_process: Worker, cluster: ValkeyCluster) -> Iterator[Worker]:
    """Instead of the one that would take its messages, and look into another Redis."""
    worker_process.kill()
    worker = Worker("clustered", "--concurrency=2")
    with run(worker):
        worker.wait_ready()
        yield worker


@pytest.fixture(autouse=True)
def _whole(cluster: ValkeyCluster) -> None:
    """So that replicas hold what a test begins with."""
    wait_until(cluster.is_whole, "the cluster is whole")
