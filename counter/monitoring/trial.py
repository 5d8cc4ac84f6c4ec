"""Trial: whether Redis would take a call now. It runs the very script that counts, for a minute long ago.

The script refuses that minute and writes nothing; but first it looks at all that it needs.
"""

from typing import cast

import redis
from django.conf import settings
from redis.exceptions import NoScriptError, RedisError, ResponseError

from counter.sinks.redis.write import SCRIPT, Batch, Writer
from counter.store import keys
from counter.store.clients import master_of

OLDEST_REDIS = (7, 0)
"""Its scripts may say in their first line how they are to be run; Valkey's always could."""


def refusal(client: redis.Redis) -> str | None:
    """Why calls for some bucket are refused, None where none are. Raises RedisError where none can tell."""
    for bucket in keys.buckets(settings.REDIS_BUCKETS):
        node = master_of(client, bucket.sealed)
        try:
            _run(node, Writer(bucket=bucket).batch([0]))
        except ResponseError as error:
            return _too_old(node) or f"Redis does not run the script that counts: {error}"
    return None


def _run(node: redis.Redis, batch: Batch) -> None:
    try:
        node.evalsha(SCRIPT.sha, len(batch.keys), *batch.keys, *batch.args)
    except NoScriptError:
        node.script_load(SCRIPT.text)
        node.evalsha(SCRIPT.sha, len(batch.keys), *batch.keys, *batch.args)


def _too_old(node: redis.Redis) -> str | None:
    try:
        server = cast("dict[str, str]", node.info("server"))
    except RedisError:
        return None
    version = server["redis_version"]
    if "valkey_version" in server or tuple(map(int, version.split(".")[:2])) >= OLDEST_REDIS:
        return None
    return f"Redis {version} is too old: the oldest that serves is {'.'.join(map(str, OLDEST_REDIS))}"
