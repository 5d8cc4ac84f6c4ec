"""Runs hours.sql in a Flink of its own.

`python roll_up.py BROKERS CONNECTOR FOLDER`: the connector is the jar of Flink for Kafka. Checkpoints are in
the folder. Whenever it is killed, the next start goes on from the last of them.
"""

import sys
from pathlib import Path
from string import Template

from pyflink.common import Configuration
from pyflink.table import EnvironmentSettings, TableEnvironment

SQL = Path(__file__).with_name("hours.sql")
OPTIONS = {
    "execution.checkpointing.interval": "5 s",
    "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
    "parallelism.default": "1",
    "table.exec.mini-batch.enabled": "true",  # one new value of an hour for many records
    "table.exec.mini-batch.allow-latency": "1 s",
    "table.exec.mini-batch.size": "10000",
}


def main(brokers: str, connector: str, folder: str) -> None:
    """Until it is stopped."""
    checkpoints = Path(folder).absolute()
    options = OPTIONS | {
        "execution.checkpointing.dir": checkpoints.as_uri(),
        "pipeline.jars": Path(connector).absolute().as_uri(),
    }
    if last := newest(checkpoints):
        options["execution.state-recovery.path"] = last.as_uri()
    configuration = Configuration()
    for name, value in options.items():
        configuration.set_string(name, value)
    settings = EnvironmentSettings.new_instance().in_streaming_mode().with_configuration(configuration)
    table = TableEnvironment.create(settings.build())
    *tables, insert = Template(SQL.read_text()).substitute(BROKERS=brokers).split(";\n")[:3]
    for statement in tables:
        table.execute_sql(statement)
    print(f"goes on from {last}" if last else "begins", flush=True)
    table.execute_sql(insert).wait()


def newest(checkpoints: Path) -> Path | None:
    """The last checkpoint that is complete."""
    complete = (file.parent for file in checkpoints.glob("*/chk-*/_metadata"))
    return max(complete, key=lambda folder: folder.stat().st_mtime, default=None)


if __name__ == "__main__":
    main(*sys.argv[1:])
