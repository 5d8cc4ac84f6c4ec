"""Recent: the newest of something, in a list of Redis, for people to look at. Nothing depends on it."""

from typing import Generic, TypeVar, cast

import msgspec
import redis

T = TypeVar("T")


class Recent(Generic[T]):
    """At most `kept` of a dataclass. `client` must return bytes, not str. Raises RedisError."""

    def __init__(self, client: redis.Redis, name: str, type: type[T], kept: int) -> None:
        self._client = client
        self._name = name
        self._type = type
        self._kept = kept

    def note(self, entry: T) -> None:
        """Add one; the oldest goes."""
        if (length := int(self._client.rpush(self._name, msgspec.json.encode(entry)))) > self._kept:
            self._client.lpop(self._name, length - self._kept)

    def last(self, number: int = 0) -> list[tuple[T, bytes]]:
        """The newest first, each with its text; all of them, without a number.

        Those of another version that can't be read are left out.
        """
        texts = cast("list[bytes]", self._client.lrange(self._name, -number, -1))
        return [(entry, text) for text in reversed(texts) if (entry := self._read(text)) is not None]

    def __len__(self) -> int:
        return int(self._client.llen(self._name))

    def remove(self, text: bytes) -> bool:
        """Whether it was still there, and nobody else has removed it."""
        return bool(self._client.lrem(self._name, 1, text))  # type: ignore[arg-type]  # redis-py: str

    def _read(self, text: bytes) -> T | None:
        try:
            return msgspec.json.decode(text, type=self._type)
        except msgspec.DecodeError:
            return None
