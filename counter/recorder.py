"""Recorder: counts calls over a blocking client, for Django's side of the house."""

import time
from collections.abc import Sequence

import redis
from django.conf import settings
from redis.exceptions import NoScriptError, RedisError

from counter import metrics
from counter.batch import (
    DEADLINE_SECONDS,
    HOLD_MILLISECONDS,
    MAX_IDS,
    PAUSE_SECONDS,
    REPEATABLE,
    SCRIPT,
    Accepted,
    Batch,
    Unavailable,
    Writer,
    check_held,
)


class Recorder:
    """Thread-safe: calls at the same time have writers of their own. `client` must not repeat commands."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._idle: list[Writer] = []

    def record(self, ids: Sequence[int]) -> Accepted:
        """Count 1 to MAX_IDS calls, all in one minute. Raises Unavailable when that may not be done."""
        assert 1 <= len(ids) <= MAX_IDS
        writer, begin = self._idle_writer(), time.perf_counter()
        try:
            accepted = self._commit(writer.batch(ids))
        except Unavailable:
            metrics.UNAVAILABLE.inc(len(ids))
            raise
        finally:
            self._idle.append(writer)
        metrics.observe(len(ids), time.perf_counter() - begin)
        return accepted

    def _idle_writer(self) -> Writer:
        try:
            return self._idle.pop()
        except IndexError:
            return Writer(keeps_replies=True)

    def _commit(self, batch: Batch) -> Accepted:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            try:
                accepted = self._send(batch)
            except REPEATABLE as error:
                if time.monotonic() > deadline:
                    raise Unavailable(str(error)) from error
                time.sleep(PAUSE_SECONDS)
            except RedisError as error:
                raise Unavailable(str(error)) from error
            else:
                if accepted:
                    return accepted

    def _send(self, batch: Batch) -> Accepted | None:
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.evalsha(SCRIPT.sha, len(batch.keys), *batch.keys, *batch.args)
            if replicas := settings.ACCEPT_REPLICAS:
                # A replica tells the state of its file when it is asked: first let it read the batch.
                pipe.wait(replicas, HOLD_MILLISECONDS)
                pipe.waitaof(1, replicas, HOLD_MILLISECONDS)
            try:
                reply, *held = pipe.execute()
            except NoScriptError:
                self._redis.script_load(SCRIPT.text)
                return None
        if held:
            check_held(held[-1])
        return batch.read(reply)
