"""Takes the options of Kafka's own `kafka-acls.sh`, which needs more of Java than comes along.

`python kafka_acls.py <file with the configuration of a client> --add …`
"""

import argparse
import json
import re
from pathlib import Path

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

parser = argparse.ArgumentParser()
parser.add_argument("config", type=Path)
parser.add_argument("--add", action="store_true", required=True)
parser.add_argument("--allow-principal", action="append", required=True)
parser.add_argument("--operation", action="append", required=True)
resource = parser.add_mutually_exclusive_group(required=True)
resource.add_argument("--topic")
resource.add_argument("--transactional-id")
resource.add_argument("--group")
parser.add_argument("--resource-pattern-type", default="literal")
arguments = parser.parse_args()

KINDS = {
    "topic": ResourceType.TOPIC,
    "transactional_id": ResourceType.TRANSACTIONAL_ID,
    "group": ResourceType.GROUP,
}
[(kind, name)] = [(KINDS[each], name) for each, name in vars(arguments).items() if each in KINDS and name]
acls = [
    AclBinding(
        kind,
        name,
        ResourcePatternType[arguments.resource_pattern_type.upper()],
        principal,
        "*",
        AclOperation[re.sub("(?<=[a-z])(?=[A-Z])", "_", operation).upper()],
        AclPermissionType.ALLOW,
    )
    for principal in arguments.allow_principal
    for operation in arguments.operation
]
admin = AdminClient(json.loads(arguments.config.read_text()))
for future in admin.create_acls(acls).values():
    future.result(timeout=30)
