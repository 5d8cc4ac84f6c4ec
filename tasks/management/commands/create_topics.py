"""`manage.py create_topics`."""

from typing import Any

from confluent_kafka import KafkaException
from django.core.management.base import BaseCommand, CommandError

from tasks.kafka.topics import create_topics


class Command(BaseCommand):
    """Create the topics that are missing."""

    help = "Create the topics that are missing, with the settings that Tally needs."

    def handle(self, *args: Any, **options: Any) -> None:
        """Says what it made."""
        try:
            made = create_topics()
        except KafkaException as error:
            raise CommandError(f"Kafka did not create the topics: {error}") from error
        self.stdout.write(f"created: {', '.join(made)}" if made else "all topics are there")
