"""Django's lane of the accepting calls. The paths in front of it answer them too, to the same tests."""

from functools import cache
from typing import Any, NoReturn, cast

from django.http import HttpResponse
from rest_framework.exceptions import APIException
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from typing_extensions import override

from counter.accepting import accept_call
from counter.accepting.batches import batch_call
from counter.accepting.batches.batch_body import read_batch
from counter.accepting.batches.batch_call import MAX_BODY, BadBatch, Batch
from counter.accepting.callback_queue import CallbackQueue
from counter.accepting.receipt import Receipt
from counter.accepting.request_body import ENCODED, TOO_LARGE, UNENCODED
from counter.api.auth import AcceptToken
from counter.api.problems import respond
from counter.api.schema import accepting
from counter.sinks.contract import SyncSink
from counter.sinks.factory import sync_sink
from counter.sinks.outcome import Unavailable
from counter.sinks.places import Places, batch_places
from counter.telemetry import rejections


@cache
def sink() -> SyncSink:
    """The one of this process."""
    return sync_sink()


@cache
def callbacks() -> CallbackQueue:
    """The one of this process."""
    return CallbackQueue()


@cache
def _places() -> Places:
    """The ones of this process."""
    return batch_places()


def _query(request: Request) -> bytes:
    """As it came over the wire."""
    return str(request.META["QUERY_STRING"]).encode("latin-1")


class AnyAccept(BaseContentNegotiation):
    """For calls with one form of answer, whatever the caller would rather have."""

    @override
    def select_parser(self, request: Request, parsers: Any) -> NoReturn:
        raise NotImplementedError

    @override
    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


def _answer(status: int, body: bytes, **headers: str) -> HttpResponse:
    return HttpResponse(body, status=status, content_type=accept_call.CONTENT_TYPE, headers=headers)


class AcceptView(APIView):
    """`/api/verve/accept`. Its answers are plain text, also its errors."""

    http_method_names = ("get", "post")  # HEAD would count a call, too
    authentication_classes = (AcceptToken,)
    permission_classes = (AllowAny,)
    content_negotiation_class = AnyAccept

    @accepting.accept
    def get(self, request: Request) -> HttpResponse:
        """Count one call: `ok` once it is recorded."""
        try:
            call = accept_call.parse_call(_query(request))
            accepted = sink().record([call.id], call.counter)
        except accept_call.BadCall as bad:
            rejections.BAD_CALL.add(why=str(bad))
            return _answer(400, accept_call.FAILED)
        except Unavailable:
            seconds = str(accept_call.RETRY_AFTER_SECONDS)
            return _answer(503, accept_call.FAILED, **{"Retry-After": seconds})
        if call.endpoint:
            callbacks().put(call.endpoint, accepted.minute, call.counter)
        return _answer(200, accept_call.OK)

    post = get

    @override
    def handle_exception(self, exc: Exception) -> Response:
        answer = super().handle_exception(exc)
        headers = {name: value for name, value in answer.items() if name != "Content-Type"}
        return cast("Response", _answer(answer.status_code, accept_call.FAILED, **headers))


class BatchParser(BaseParser):
    """A Batch. Raises BadBatch, or TooLarge."""

    @override
    def parse(self, stream: Any, media_type: str | None = None, context: Any = None) -> Any:
        if context["request"].headers.get("Content-Encoding", "").strip().lower() not in UNENCODED:
            rejections.BAD_CALL.add(why=ENCODED.detail)
            raise BodyEncoded
        body = stream.read(MAX_BODY + 1)
        if len(body) > MAX_BODY:
            rejections.BAD_CALL.add(why=TOO_LARGE.detail)
            raise BodyTooLarge
        return read_batch(self.media_type, _query(context["request"]), body)


class JSONIds(BatchParser):
    """`{"ids": [1, 2]}`, of the type application/json."""

    media_type = batch_call.JSON


class NDJSONIds(BatchParser):
    """One id a line, of the type application/x-ndjson."""

    media_type = batch_call.NDJSON


class BodyTooLarge(APIException):
    """The body is above MAX_BODY."""

    problem = TOO_LARGE


class BodyEncoded(APIException):
    """The body is compressed, or something else that is to be undone."""

    problem = ENCODED


class BatchView(APIView):
    """`/api/v1/accept/`: many calls at once, all or none of them on validation."""

    authentication_classes = (AcceptToken,)
    permission_classes = (AllowAny,)
    parser_classes = (JSONIds, NDJSONIds)

    @accepting.batch
    def post(self, request: Request) -> Response:
        """Count a batch of calls: all of them, or none where one is wrong."""
        try:
            batch = cast("Batch", request.data) or read_batch(batch_call.JSON, _query(request), b"")
        except BadBatch as bad:
            rejections.BAD_CALL.add(why=str(bad))
            raise
        receipt = Receipt()
        for parts in _places().rounds(batch.counter, batch.ids):
            if receipt.refused:
                receipt.refuse(parts)  # It is away: there is no time to find that out again
            else:
                sink().commit(parts, receipt.noting(parts))
        return respond(receipt.cut_short) if receipt.refused else Response(receipt.answer)
