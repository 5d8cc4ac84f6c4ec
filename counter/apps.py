"""The Django app of the domain."""

from django.apps import AppConfig
from typing_extensions import override


class CounterConfig(AppConfig):
    """Counting: minutes, their counts in Redis, and what people see of them."""

    name = "counter"
    verbose_name = "Tally"

    @override
    def ready(self) -> None:
        from counter.monitoring import checks, secret_checks, tls_checks  # noqa: F401, PLC0415  (needs loaded apps)
        from counter.redis import replies  # noqa: PLC0415  (needs loaded apps)

        replies.sort()
