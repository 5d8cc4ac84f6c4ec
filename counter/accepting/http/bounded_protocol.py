"""BoundedProtocol: uvicorn's protocol class, with limits of time and size for each connection and for all."""

import asyncio
from dataclasses import dataclass
from enum import Enum
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from counter.accepting.batches.batch_call import MAX_BODY
from counter.accepting.caller_tokens import CallerTokens
from counter.accepting.hot_path import LARGE, SLOW, UNAVAILABLE, WIDE, Answer
from counter.accepting.http.connections import Connections
from counter.sinks.contract import CallSink
from counter.telemetry import rejections

MAX_HEAD = 16 * 1024
"""Bytes of the request line and all headers, as in Node, whose parser this is. A PIECE more may pass."""

MAX_MESSAGE = 2 * MAX_BODY
"""Bytes of a body with all that frames its chunks."""

WAITING_BYTES = 4096
"""That a waiting request takes beside its body."""

FRONT = "front"
"""Its name in uvicorn's `lifespan.state`."""


@dataclass(frozen=True, slots=True)
class Front:
    """What the connections of a web process share."""

    sink: CallSink
    connections: Connections
    tokens: CallerTokens | None = None


class Stage(Enum):
    """What has come of the newest request."""

    WHOLE = 0
    HEAD = 1
    BODY = 2


WHOLE, HEAD, BODY = Stage


class Refused(Exception):
    """Ends the parser's work: nothing more of this connection is read."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. `cycle` is its newest request."""

    __slots__ = (
        "_connections",
        "_front",
        "_held",
        "_is_deaf",
        "_limits",
        "_stage",
        "_timed",
        "_unfinished",
        "deadline",
    )

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._front: Front = app_state[FRONT]
        self._connections = self._front.connections
        self._limits = self._connections.limits
        self.deadline = self._connections.idle_until
        self._stage = self._timed = WHOLE
        self._held = self._unfinished = 0
        self._is_deaf = False

    @property
    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Welcome it, or turn it away where there are too many."""
        super().connection_made(transport)
        if self._connections.admit(self):
            return
        rejections.CONNECTION.add(why="there are too many")
        if self._connections.turn_away(self):
            transport.write(UNAVAILABLE.last)
            self._linger()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more; what has begun goes on without."""
        self._connections.forget(self)
        self.pipeline.clear()
        self._release()
        super().connection_lost(exc)

    def _limit(self, size: int) -> None:
        """So much has come, and the newest request is still not whole."""
        if self._timed is not self._stage:
            self._timed = self._stage
            self._allow_rest()
        self._unfinished += size
        if self._stage is HEAD and self._unfinished > MAX_HEAD:
            self.refuse(WIDE, "its headers are too large")
        elif self._unfinished > MAX_MESSAGE:
            self.refuse(LARGE, "its body is too large")
        else:
            self._hold(size)

    def _allow(self, seconds: float) -> None:
        self.deadline = self._connections.now + seconds

    def _allow_rest(self) -> None:
        self._allow(self._limits.head if self._stage is HEAD else self._limits.body)

    def _hold(self, size: int) -> None:
        self._held += size
        if not self._connections.hold(size):
            self.refuse(UNAVAILABLE, "too much is held for unfinished requests")

    def _release(self, kept: int = 0) -> None:
        self._connections.release(self._held - kept)
        self._held = kept

    def _keep(self, unparsed: int) -> None:
        """No request waits: what is held is what has come of the newest, and its time begins anew."""
        if self._stage is WHOLE:
            self._release(min(self._held, unparsed))
        else:
            self._release(min(self._held, unparsed + self._unfinished))
            if not self._is_deaf:
                self._allow_rest()

    def _admit(self) -> None:
        """Let the request wait, where it must and may. Raises Refused."""
        if self._is_busy:
            self._hold(WAITING_BYTES)
        if self._is_deaf:
            raise Refused

    def expire(self) -> None:
        """Its time is over, if it is not we who take it."""
        if self.flow.write_paused:
            self.transport.abort()
        elif self._is_deaf or self._stage is WHOLE:
            if not self._is_busy:
                self.transport.close()
        elif not self.flow.read_paused and (self._stage is BODY or not self._is_busy):
            self.refuse(SLOW, "it came too slowly")

    def refuse(self, answer: Answer, why: str) -> None:
        """Answer what will never be a request, after all that came before it, and read no more."""
        raise NotImplementedError

    def _linger(self) -> None:
        """Send no more, and throw away for a while what still comes."""
        raise NotImplementedError
