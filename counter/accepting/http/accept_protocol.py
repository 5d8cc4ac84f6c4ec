"""AcceptProtocol: the accept call, read where its headers are complete. All else is the application's."""

import re

import httptools

from counter.accepting import accept_call
from counter.accepting.batches.batch_call import MAX_BODY
from counter.accepting.hot_path import BAD, LARGE, AcceptCall, Exchange
from counter.accepting.http.bounded_protocol import BODY, WHOLE, Refused
from counter.accepting.http.ordered_protocol import OrderedProtocol
from counter.counters import DEFAULT
from counter.ids import Id
from counter.telemetry import rejections

_PATH = accept_call.PATH.encode()
_METHODS = frozenset(method.encode() for method in accept_call.METHODS)
_PLAIN = re.compile(rb"%b\?id=([0-9]{1,18})" % re.escape(_PATH)).fullmatch
_SIMPLE = re.compile(rb"%b\?([A-Za-z0-9@:._~&=-]*)" % re.escape(_PATH)).fullmatch
"""Of a named counter most are: a url of these characters needs no parser."""


class AcceptProtocol(OrderedProtocol):
    """One connection. An accept call with an `endpoint` is the application's."""

    __slots__ = ()

    def on_headers_complete(self) -> None:
        """A call, or the application's request. Raises Refused."""
        if _PATH not in self.url or not (call := self._read_call()):
            super().on_headers_complete()
            return
        waits = self.cycle is not None and not self.cycle.response_complete
        if waits or self._is_deaf:
            self._admit()
        if waits:
            self.flow.pause_reading()
            self.pipeline.appendleft((call, self.app))  # type: ignore[arg-type]  # in the place of a cycle
        elif call.expects_continue:
            self._start_asgi_task(call, self.app)
        self.cycle = call  # type: ignore[assignment]
        self._stage = BODY

    def _read_call(self) -> Exchange | None:
        parser, tokens = self.parser, self._front.tokens
        if parser.get_method() not in _METHODS or (tokens and not tokens.admit_headers(self.headers)):
            return None
        keep_alive = parser.should_keep_alive() and parser.get_http_version() != "1.0"
        id: Id
        if plain := _PLAIN(self.url):
            id, counter = int(plain[1]), DEFAULT
        else:
            query = self._query()
            if query is None:
                return None
            try:
                id, endpoint, counter = accept_call.parse_call(query)
            except accept_call.BadCall as bad:
                rejections.BAD_CALL.add(why=str(bad))
                return Exchange(self, BAD, keep_alive=keep_alive, expects_continue=self.expect_100_continue)
            if endpoint:
                return None
        sink, expects = self._front.sink, self.expect_100_continue
        return AcceptCall(self, (id, counter), sink, keep_alive=keep_alive, expects_continue=expects)

    def _query(self) -> bytes | None:
        """As it came over the wire; None where the path is another one."""
        if simple := _SIMPLE(self.url):
            return simple[1]
        url = httptools.parse_url(self.url)
        return (url.query or b"") if url.path == _PATH else None

    def on_body(self, body: bytes) -> None:
        """That of a call is thrown away."""
        if not isinstance(self.cycle, Exchange):
            super().on_body(body)
            return
        self.cycle.body_size += len(body)
        if self.cycle.body_size > MAX_BODY:
            self.refuse(LARGE, "its body is too large")
            raise Refused

    def on_message_complete(self) -> None:
        """All of it: where it is its turn, it begins."""
        call = self.cycle
        if not isinstance(call, Exchange):
            super().on_message_complete()
            return
        self._stage = WHOLE
        call.more_body = False
        if not self.pipeline:
            call.begin()
