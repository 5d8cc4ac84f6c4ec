"""`tally create_topics`."""

from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from django.core.management.base import BaseCommand, CommandError
from redis.exceptions import RedisError
from typing_extensions import override

from counter.kafka.client import client_config
from counter.redis.clients import connect
from tasks.errors import KafkaAway
from tasks.kafka.shape import look
from tasks.kafka.topics import create_topics


class Command(BaseCommand):
    """Create the topics that are missing, and look at all of them."""

    help = "Create the topics that are missing, with the settings that Tally needs; say what others lack."

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = create_topics()
        except KafkaException as error:
            raise CommandError(f"Kafka did not create the topics: {error}") from error
        self.stdout.write(f"created: {', '.join(made)}" if made else "all topics are there")
        try:
            with AdminClient(client_config()) as admin:
                for finding in look(admin, connect()):
                    self.stderr.write(finding.text)
        except (KafkaAway, RedisError) as error:
            self.stderr.write(f"The topics could not be looked at: {error}")
