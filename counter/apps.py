"""The Django app of the domain."""

from django.apps import AppConfig


class CounterConfig(AppConfig):
    """Counting: minutes, their counts in Redis, and what people see of them."""

    name = "counter"
    verbose_name = "Tally"

    def ready(self) -> None:
        """Register the system checks."""
        from counter import secret_checks  # noqa: F401, PLC0415  (needs loaded apps)
        from counter.monitoring import checks, tls_checks  # noqa: F401, PLC0415  (needs loaded apps)
