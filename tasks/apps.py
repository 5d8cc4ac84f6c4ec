"""The Django app of the background work."""

from django.apps import AppConfig


class TasksConfig(AppConfig):
    """Publishing: from closed minutes in Redis to committed records in Kafka."""

    name = "tasks"

    def ready(self) -> None:
        """Register the system checks, and what `/readyz` asks about the topics."""
        from counter.monitoring.health import add_probe  # noqa: PLC0415  (needs loaded apps)
        from tasks import checks  # noqa: F401, PLC0415
        from tasks.kafka.shape import Watched  # noqa: PLC0415

        add_probe("topics", lambda client: Watched(client).texts)
