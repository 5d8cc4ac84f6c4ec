"""A Kafka that demands TLS, a name and a password; and, of all but its administrator, a permission."""

import json
import subprocess
import sys
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from embedded.kafka import Kafka
from embedded.ports import free_port
from tests.support.access.certificates import Authority
from tests.support.processes import ROOT

ADMIN, PASSWORD = "admin", "of-the-administrator"
LOGIN = "org.apache.kafka.common.security.{}LoginModule required {};"
ROUNDS = 4096


class SecureKafka(Kafka):
    """The administrator logs in with PLAIN, everybody else with SCRAM."""

    def __init__(self, home: Path, authority: Authority) -> None:
        self._ca = authority.ca.certificate
        port, controller = free_port(), free_port()
        signed = authority.sign("kafka")
        store = signed.key.with_name("kafka.pem")
        store.write_text(signed.key.read_text() + signed.certificate.read_text())
        admin = f'username="{ADMIN}" password="{PASSWORD}" user_{ADMIN}="{PASSWORD}"'
        properties = {
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"BROKER://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
            "listener.security.protocol.map": "BROKER:SASL_SSL,CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "listener.name.broker.plain.sasl.jaas.config": LOGIN.format("plain.Plain", admin),
            "listener.name.broker.scram-sha-512.sasl.jaas.config": LOGIN.format("scram.Scram", ""),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(store),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self._ca),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{ADMIN};User:ANONYMOUS",  # its controller, on a listener of its own
        }
        super().__init__(home, port, properties=properties)

    def config(self, user: str = ADMIN, password: str = PASSWORD) -> dict[str, str | int | float | bool]:
        """Of a client that is let in."""
        return {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "PLAIN" if user == ADMIN else "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": password,
            "ssl.ca.location": str(self._ca),
            "log_level": 0,
        }

    def env(self, user: str, password: str) -> dict[str, str]:
        """Of a program of Tally's that is let in."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA_SASL_USERNAME": user,
            "KAFKA_SASL_PASSWORD": password,
            "KAFKA_SSL_CA": str(self._ca),
        }

    def add_user(self, user: str, password: str) -> None:
        """Somebody who may log in, and nothing else."""
        scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ROUNDS)
        added = UserScramCredentialUpsertion(user, scram, password.encode())
        admin = AdminClient(self.config())
        for future in admin.alter_user_scram_credentials([added]).values():
            future.result(timeout=30)

    def allow(self) -> None:
        """Every role what it may do, as `ops/kafka/acls.sh` says."""
        config = self.home / "admin.json"
        config.write_text(json.dumps(self.config()))
        command = [
            str(ROOT / "ops/kafka/acls.sh"),
            sys.executable,
            "-m",
            "tests.support.access.kafka_acls",
            str(config),
        ]
        subprocess.run(command, check=True, cwd=ROOT)

    def is_ready(self) -> bool:
        """As the administrator sees it."""
        try:
            return bool(AdminClient(self.config()).list_topics(timeout=1).brokers)
        except KafkaException:
            return False
