"""Retries: how many callbacks of a queue wait to be tried again, which the queue's own length does not tell.

A worker takes them and holds them back until their time. So an endpoint that is down could fill with its
retries what there is room for, and everybody else's callbacks would be shed.
"""

import time
from typing import cast

from counter.accepting.callback_queue import EXPIRES_SECONDS, MAX_IN_ONE
from counter.redis.broker import broker
from counter.task_names import callback_queue

MAX_RETRIES_WAITING = MAX_IN_ONE // 2
"""Of one queue."""


def make_room(endpoint: str, task_id: str, seconds: float) -> bool:
    """Whether the task may wait for so many seconds and be tried again; if so, it is counted until then.

    Raises RedisError.
    """
    key, now = f"{callback_queue(endpoint)}.retries", time.time()
    if due := cast("list[bytes]", broker().zrangebyscore(key, "-inf", now)):
        broker().zrem(key, *due)
    if int(broker().zcard(key)) >= MAX_RETRIES_WAITING:
        return False
    broker().zadd(key, {task_id: now + seconds})
    broker().expire(key, EXPIRES_SECONDS)
    return True
