"""Runs flink.sql in a Flink of its own: `python flink.py BROKERS CONNECTOR FOLDER`."""

import sys
from pathlib import Path
from string import Template

from pyflink.common import Configuration
from pyflink.table import EnvironmentSettings, TableEnvironment

OPTIONS = {
    "execution.checkpointing.interval": "5 s",
    "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
    "parallelism.default": "2",
    "state.backend.type": "rocksdb",
    "table.exec.mini-batch.enabled": "true",
    "table.exec.mini-batch.allow-latency": "1 s",
    "table.exec.mini-batch.size": "10000",
    "table.optimizer.distinct-agg.split.enabled": "true",
    "table.local-time-zone": "UTC",
}


def main(brokers: str, connector: str, folder: str) -> None:
    """Until it is stopped; goes on from its last checkpoint."""
    checkpoints = Path(folder).absolute()
    options = OPTIONS | {
        "execution.checkpointing.dir": checkpoints.as_uri(),
        "pipeline.jars": Path(connector).absolute().as_uri(),
    }
    complete = (file.parent for file in checkpoints.glob("*/chk-*/_metadata"))
    if last := max(complete, key=lambda folder: folder.stat().st_mtime, default=None):
        options["execution.state-recovery.path"] = last.as_uri()
    configuration = Configuration()
    for name, value in options.items():
        configuration.set_string(name, value)
    settings = EnvironmentSettings.new_instance().in_streaming_mode().with_configuration(configuration)
    table = TableEnvironment.create(settings.build())
    source, sink, insert = (
        Template(Path(__file__).with_name("flink.sql").read_text())
        .substitute(BROKERS=brokers)
        .split(";\n")[:3]
    )
    table.execute_sql(source)
    table.execute_sql(sink)
    table.execute_sql(insert).wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
