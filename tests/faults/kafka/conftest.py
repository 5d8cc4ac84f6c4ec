from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.support.servers.kafka_cluster import KafkaCluster, running


@pytest.fixture
def cluster(tmp_path: Path, settings: Settings) -> Iterator[KafkaCluster]:
    """The flush's three brokers, without topics."""
    with running(tmp_path) as cluster:
        settings.KAFKA_BOOTSTRAP_SERVERS = cluster.bootstrap_servers
        yield cluster
