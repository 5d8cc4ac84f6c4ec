"""The hot path: the accept call, answered where it is parsed, with no task and no future of its own.

Django's own handler costs some 25 times more per call, and an ASGI application twice as much. So the call
that comes for every event goes from the parser to the sink, and its answer from the sink to the socket.
"""

from http import HTTPStatus
from typing import Protocol

import structlog

from counter.accepting import accept_call, caches
from counter.ids import Id
from counter.sinks.contract import CallSink
from counter.sinks.outcome import Accepted, Unavailable

logger = structlog.get_logger(__name__)


class Answer:
    """A response that is ready before the call comes: as plain text, the same for all but its date."""

    def __init__(self, status: HTTPStatus, body: bytes, *headers: str) -> None:
        fields = (
            f"content-type: {accept_call.CONTENT_TYPE}",
            f"content-length: {len(body)}",
            f"{caches.HEADER.lower()}: {caches.NO_STORE}",
            *headers,
        )
        self._head = "\r\n".join((f"HTTP/1.1 {status} {status.phrase}", *fields, "date: ")).encode()
        self._body = body
        self.stamp(b"")

    def stamp(self, date: bytes) -> None:
        """Say that it is so late."""
        self.kept = b"%b%b\r\n\r\n%b" % (self._head, date, self._body)
        """For a connection that stays."""
        self.last = b"%b%b\r\nconnection: close\r\n\r\n%b" % (self._head, date, self._body)
        """For one that is closed after it."""


def _failed(status: HTTPStatus, *headers: str) -> Answer:
    return Answer(status, accept_call.FAILED, *headers)


OK = Answer(HTTPStatus.OK, accept_call.OK)
BAD = _failed(HTTPStatus.BAD_REQUEST)
SLOW = _failed(HTTPStatus.REQUEST_TIMEOUT)
LARGE = _failed(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
WIDE = _failed(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
UNAVAILABLE = _failed(HTTPStatus.SERVICE_UNAVAILABLE, f"retry-after: {accept_call.RETRY_AFTER_SECONDS}")
ANSWERS = (OK, BAD, SLOW, LARGE, WIDE, UNAVAILABLE)


class Connection(Protocol):
    """What answers are written to, one at a time and in the order of their requests."""

    def respond(self, answer: Answer, *, keep_alive: bool) -> None:
        """Write the answer of the request whose turn it is."""
        ...


class _NoEvent:
    """Nobody waits for what becomes of the request."""

    def set(self) -> None:
        """Nothing."""


class Exchange:
    """A request with a ready answer, in the place of uvicorn's RequestResponseCycle."""

    __slots__ = (
        "_answer",
        "_connection",
        "body_size",
        "disconnected",
        "expects_continue",
        "keep_alive",
        "more_body",
        "response_complete",
    )

    message_event = _NoEvent()
    response_started = False

    def __init__(
        self,
        connection: Connection,
        answer: Answer | None,
        *,
        keep_alive: bool = False,
        expects_continue: bool = False,
    ) -> None:
        self._connection = connection
        self._answer = answer
        self.keep_alive = keep_alive
        self.expects_continue = expects_continue
        self.more_body = True
        self.body_size = 0
        self.response_complete = False
        self.disconnected = False

    def begin(self) -> None:
        """It is its turn, and all of it has come."""
        assert self._answer
        self.respond(self._answer)

    def respond(self, answer: Answer) -> None:
        """Give the answer."""
        self.response_complete = True
        self._connection.respond(answer, keep_alive=self.keep_alive)


class AcceptCall(Exchange):
    """One accept call without an endpoint, which is counted once all of it has come, whatever its body is.

    The call is its id and its counter.
    """

    __slots__ = ("_counter", "_id", "_sink")

    def __init__(
        self,
        connection: Connection,
        call: tuple[Id, str],
        sink: CallSink,
        *,
        keep_alive: bool,
        expects_continue: bool,
    ) -> None:
        super().__init__(connection, None, keep_alive=keep_alive, expects_continue=expects_continue)
        self._id, self._counter = call
        self._sink = sink

    def begin(self) -> None:
        """Have it counted."""
        try:
            self._sink.record(self._id, self._told, self._counter)
        except Unavailable:
            self.respond(UNAVAILABLE)

    def _told(self, accepted: Accepted | None) -> None:
        try:
            self.respond(OK if accepted else UNAVAILABLE)
        except Exception:  # of one connection, which must not take the answers of others with it
            logger.exception("an answer was lost")
