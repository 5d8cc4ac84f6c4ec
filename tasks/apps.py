"""The Django app of the background work."""

from django.apps import AppConfig


class TasksConfig(AppConfig):
    """Publishing: from closed minutes in Redis to committed records in Kafka."""

    name = "tasks"
