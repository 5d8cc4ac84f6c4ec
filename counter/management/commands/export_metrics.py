"""`tally export_metrics`: `/metrics` where no web server runs."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from prometheus_client import start_http_server
from typing_extensions import override

from counter.monitoring.exposition import registry

PORT = 9464


class Command(BaseCommand):
    """Serves until it is stopped."""

    help = "Serve /metrics of the workers on this machine, and of Redis, for Prometheus."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=PORT)

    @override
    def handle(self, *args: Any, port: int, **options: Any) -> None:
        try:
            _, thread = start_http_server(port, registry=registry())
        except OSError as error:
            raise CommandError(f"port {port}: {error.strerror}. Set --port to another one") from error
        self.stdout.write(f"http://127.0.0.1:{port}/metrics")
        self.stdout.flush()
        while thread.is_alive():
            time.sleep(1)
