"""What Tally counts with, and how."""

import os
import ssl
from pathlib import Path

from counter.telemetry import metric_room
from project.environment import env

TALLY_HOME = Path(env.str("TALLY_HOME", default=".tally")).absolute()

REDIS_URL = env.str("REDIS_URL", default=f"redis://127.0.0.1:{env.int('REDIS_PORT', default=6379)}/0")
KAFKA_BOOTSTRAP_SERVERS = env.str(
    "KAFKA_BOOTSTRAP_SERVERS", default=f"127.0.0.1:{env.int('KAFKA_PORT', default=9092)}"
)
# Files in PEM: whom to trust, and for servers that ask for one a certificate and its key
REDIS_SSL_CA = env.str("REDIS_SSL_CA", default="")
REDIS_SSL_CERT = env.str("REDIS_SSL_CERT", default="")
REDIS_SSL_KEY = env.str("REDIS_SSL_KEY", default="")
# What redis-py is told beside a url of TLS.
REDIS_TLS = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True} | {
    name: path
    for name, path in {
        "ssl_ca_certs": REDIS_SSL_CA,
        "ssl_certfile": REDIS_SSL_CERT,
        "ssl_keyfile": REDIS_SSL_KEY,
    }.items()
    if path
}
REDIS_SENTINEL_PASSWORD = env.str("REDIS_SENTINEL_PASSWORD", default="")
KAFKA_SECURITY_PROTOCOL = env.str("KAFKA_SECURITY_PROTOCOL", default="PLAINTEXT")
KAFKA_SASL_MECHANISM = env.str("KAFKA_SASL_MECHANISM", default="")
KAFKA_SASL_USERNAME = env.str("KAFKA_SASL_USERNAME", default="")
KAFKA_SASL_PASSWORD = env.str("KAFKA_SASL_PASSWORD", default="")
KAFKA_SSL_CA = env.str("KAFKA_SSL_CA", default="")
KAFKA_SSL_CERT = env.str("KAFKA_SSL_CERT", default="")
KAFKA_SSL_KEY = env.str("KAFKA_SSL_KEY", default="")
KAFKA_CLIENT_RACK = env.str("KAFKA_CLIENT_RACK", default="")
KAFKA_TOPIC_PREFIX = env.str("KAFKA_TOPIC_PREFIX", default="")
ACCEPT_SINK = env.str("ACCEPT_SINK", default="redis")
ACCEPT_REPLICAS = env.int("ACCEPT_REPLICAS", default=0)
REDIS_BUCKETS = env.int("REDIS_BUCKETS", default=1)
COUNTERS = tuple(filter(None, map(str.strip, env.list("COUNTERS", default=[]))))
PUBLISH_ID_COUNTS = env.bool("PUBLISH_ID_COUNTS", default=True)
ID_COUNTS_RETENTION_DAYS = env.int("ID_COUNTS_RETENTION_DAYS", default=7)
ACCEPT_TOKEN = env.str("ACCEPT_TOKEN", default="")
CALLBACK_ALLOWED_HOSTS = env.list("CALLBACK_ALLOWED_HOSTS", default=[])
CALLBACK_SIGNING_KEY = env.str("CALLBACK_SIGNING_KEY", default="")

# prometheus_client looks for it in the environment when it is imported, and writes when a metric is made.
METRICS_FOLDER = metric_room.prepare(os.environ.get(metric_room.VARIABLE) or str(TALLY_HOME / "metrics"))
METRICS_PORT = env.int("METRICS_PORT", default=0)
