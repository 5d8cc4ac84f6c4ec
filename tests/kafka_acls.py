"""Takes the options of Kafka's own `kafka-acls.sh`, which needs more of Java than comes along.

`python kafka_acls.py <file with the configuration of a client> --add …`
"""

import argparse
import json
import sys
from pathlib import Path

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

parser = argparse.ArgumentParser()
parser.add_argument("config", type=Path)
parser.add_argument("--add", action="store_true", required=True)
parser.add_argument("--allow-principal", required=True)
parser.add_argument("--operation", action="append", required=True)
resource = parser.add_mutually_exclusive_group(required=True)
resource.add_argument("--topic")
resource.add_argument("--transactional-id")
resource.add_argument("--group")
arguments = parser.parse_args()

kinds = {
    ResourceType.TOPIC: arguments.topic,
    ResourceType.TRANSACTIONAL_ID: arguments.transactional_id,
    ResourceType.GROUP: arguments.group,
}
kind, name = next((kind, name) for kind, name in kinds.items() if name)
acls = [
    AclBinding(
        kind,
        name,
        ResourcePatternType.LITERAL,
        arguments.allow_principal,
        "*",
        AclOperation[operation.upper()],
        AclPermissionType.ALLOW,
    )
    for operation in arguments.operation
]
admin = AdminClient(json.loads(arguments.config.read_text()))
for future in admin.create_acls(acls).values():
    future.result(timeout=30)
sys.exit()
