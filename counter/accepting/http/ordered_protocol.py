"""OrderedProtocol: every request that came whole is answered, in order, whatever comes behind it.

uvicorn's own class answers what is no HTTP before the requests in front of it, and forgets those of a caller
that has sent its last; and each request costs it a scope, also where no application needs one.
"""

import asyncio
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from counter.accepting.hot_path import BAD, Answer, Exchange
from counter.accepting.http.bounded_protocol import BODY, HEAD, WHOLE, BoundedProtocol
from counter.accepting.http.output import Output
from counter.telemetry import rejections

PIECE = 4096
"""Bytes that are parsed at a time: at most so many requests wait for their turn as fit into it."""


class OrderedProtocol(BoundedProtocol):
    """One connection. `pipeline` has the requests that wait for their turn, the newest first."""

    __slots__ = ("_is_blocked", "_is_half_closed", "_is_parsing", "_is_proceeding", "_unparsed")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unparsed = b""
        self._is_half_closed = self._is_blocked = self._is_parsing = self._is_proceeding = False

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it
        """The caller sends no more, but what it has sent is answered. Whether there is anything."""
        self._is_deaf = self._is_half_closed = True
        # Nothing is read while a request waits for its turn: one that is half there is the only one.
        return self._stage is not BODY and self._is_busy

    def data_received(self, data: bytes) -> None:
        """Parse it, in pieces where it is much: of what comes at once no more begins than is answered."""
        if len(data) <= PIECE and not self._unparsed and not self.pipeline:
            self._parse(data)
            return
        self._unparsed += data
        self._parse_on()
        self._hold(len(self._unparsed))

    def _parse_on(self) -> None:
        """As long as no request waits for its turn."""
        data, begin = memoryview(self._unparsed), 0
        while begin < len(data) and not self.pipeline and not self._is_deaf and not self.flow.write_paused:
            self._parse(data[begin : begin + PIECE])
            begin += PIECE
        self._unparsed = b"" if self._is_deaf else bytes(data[begin:])
        if not self._unparsed and not self.pipeline and not self.flow.write_paused:
            self.flow.resume_reading()

    def _parse(self, data: bytes | memoryview) -> None:
        size = len(data)
        self._is_parsing = True
        while data and not self._is_deaf:
            try:
                self.parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as upgrade:  # to what is not spoken here: HTTP goes on
                data = memoryview(data)[upgrade.args[0] :]
            except httptools.HttpParserError:
                self.refuse(BAD, "it is not HTTP")
        self._is_parsing = False
        if self._stage is not WHOLE and not self._is_deaf:
            self._limit(size)

    def on_message_begin(self) -> None:
        """A request; its scope is made where an application gets it."""
        self._stage = HEAD
        self._timed = WHOLE
        self._unfinished = 0
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """Its headers: it is the application's. Raises Refused."""
        self._admit()
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().on_headers_complete()
        self.cycle.transport = cast("asyncio.Transport", Output(self, self.transport))
        self._stage = BODY

    def on_message_complete(self) -> None:
        """All of it."""
        self._stage = WHOLE
        super().on_message_complete()

    def refuse(self, answer: Answer, why: str) -> None:
        """Answer what will never be a request, after all that came before it, and read no more."""
        if self._is_deaf:
            return
        self._is_deaf = True
        rejections.CONNECTION.add(why=why)
        waits = self._is_busy
        if self._stage is BODY and self.pipeline:
            self.pipeline.popleft()
        elif self._stage is BODY:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self._linger()
                return
            waits = False
        refused = Exchange(self, answer)
        refused.more_body = False
        self.cycle = cast("RequestResponseCycle", refused)
        if waits:
            self.pipeline.appendleft((self.cycle, self.app))
        else:
            refused.begin()

    def respond(self, answer: Answer, *, keep_alive: bool) -> None:
        """Write the answer of the request whose turn it is."""
        if self.transport.is_closing():
            return
        if keep_alive:
            self.transport.write(answer.kept)
            self.on_response_complete()
            return
        self.transport.write(answer.last)
        self.pipeline.clear()
        if self._is_deaf and not self._is_half_closed:
            self._linger()
        else:
            self._is_deaf = True
            self.transport.close()

    def hang_up(self) -> None:
        """Close, when the answer has been read, where the caller still sends what it answers."""
        if self._stage is BODY and not self.pipeline:
            self._linger()
        else:
            self.transport.close()

    def _linger(self) -> None:
        """Send no more. What still comes is thrown away for a while: closed at once, the answer might be."""
        self._is_deaf = True
        self.transport.write_eof()
        self.flow.resume_reading()
        self._allow(self._limits.linger)

    def on_response_complete(self) -> None:
        """A request is answered: the next one's turn."""
        self.deadline = self._connections.idle_until  # or later, if a part of the next one is here
        if self.pipeline or self._held or self._is_half_closed or self.flow.read_paused:
            self._proceed()

    def _proceed(self) -> None:
        """Begin those that wait, until one of them takes its time. No recursion: they may be many."""
        if self._is_proceeding or self.transport.is_closing():
            return
        self._is_proceeding, cycle = True, None
        while self.pipeline and not self.flow.write_paused and (cycle is None or cycle.response_complete):
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        self._is_proceeding = False
        self._is_blocked = bool(self.pipeline) and self.flow.write_paused
        if self.pipeline or self.transport.is_closing():
            return
        self._keep(len(self._unparsed))
        if not self._is_parsing:
            self._parse_on()
        if self._is_half_closed and not self._is_busy:
            self.transport.close()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """Its turn has come."""
        if not isinstance(cycle, Exchange):
            super()._start_asgi_task(cycle, app)
        elif not cycle.more_body:
            cycle.begin()
        elif cycle.expects_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def pause_writing(self) -> None:
        """The caller does not read its answers: nothing more is read from it, nor begun."""
        super().pause_writing()
        self.flow.pause_reading()
        self._allow(self._limits.write)

    def resume_writing(self) -> None:
        """It has."""
        super().resume_writing()
        self.deadline = self._connections.idle_until
        if self._is_blocked or not self.pipeline:
            self._proceed()
