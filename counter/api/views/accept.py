"""Django's lane of the accepting calls. The paths in front of it answer them too, to the same tests."""

from functools import cache
from typing import Any, NoReturn, cast

from django.conf import settings
from django.http import HttpResponse
from rest_framework.exceptions import APIException
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from counter.accepting import accept_call, batch_call
from counter.accepting.batch_call import MAX_BODY, BadBatch, Receipt, read_ids
from counter.accepting.callback_queue import CallbackQueue
from counter.accepting.request_body import TOO_LARGE
from counter.api import schema
from counter.api.auth import AcceptToken
from counter.api.problems import respond
from counter.mode import is_event_mode
from counter.sinks.kafka.sync_producer import SyncProducer
from counter.sinks.outcome import Unavailable
from counter.sinks.redis.delivery import rounds
from counter.sinks.redis.sync_writer import SyncWriter
from counter.store.clients import connect_for_accept
from counter.telemetry import rejections


@cache
def recorder() -> SyncWriter | SyncProducer:
    """The one of this process."""
    return SyncProducer() if is_event_mode() else SyncWriter(connect_for_accept())


@cache
def callbacks() -> CallbackQueue:
    """The one of this process."""
    return CallbackQueue()


class AnyAccept(BaseContentNegotiation):
    """For calls with one form of answer, whatever the caller would rather have."""

    def select_parser(self, request: Request, parsers: Any) -> NoReturn:
        """There is no body."""
        raise NotImplementedError

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        """The first."""
        return renderers[0], renderers[0].media_type


def _answer(status: int, body: bytes, **headers: str) -> HttpResponse:
    return HttpResponse(body, status=status, content_type=accept_call.CONTENT_TYPE, headers=headers)


class AcceptView(APIView):
    """`/api/verve/accept`. Its answers are plain text, also its errors."""

    authentication_classes = (AcceptToken,)
    permission_classes = (AllowAny,)
    content_negotiation_class = AnyAccept

    @schema.accept
    def get(self, request: Request) -> HttpResponse:
        """Count one call: `ok` once it is recorded."""
        try:
            call = accept_call.parse_call(request.META["QUERY_STRING"].encode("latin-1"))
            accepted = recorder().record([call.id])
        except accept_call.BadCall as bad:
            rejections.BAD_CALL.add(why=str(bad))
            return _answer(400, accept_call.FAILED)
        except Unavailable:
            seconds = str(accept_call.RETRY_AFTER_SECONDS)
            return _answer(503, accept_call.FAILED, **{"Retry-After": seconds})
        if call.endpoint:
            callbacks().put(call.endpoint, accepted.minute)
        return _answer(200, accept_call.OK)

    post = get

    def handle_exception(self, exc: Exception) -> Response:
        """What goes wrong before `get`."""
        answer = super().handle_exception(exc)
        headers = {name: value for name, value in answer.items() if name != "Content-Type"}
        return cast("Response", _answer(answer.status_code, accept_call.FAILED, **headers))


class IdsParser(BaseParser):
    """The ids of a batch. Raises BadBatch, or TooLarge."""

    def parse(self, stream: Any, media_type: str | None = None, context: Any = None) -> Any:
        """A list, though REST framework would rather have a dictionary."""
        body = stream.read(MAX_BODY + 1)
        if len(body) > MAX_BODY:
            rejections.BAD_CALL.add(why=TOO_LARGE.detail)
            raise BodyTooLarge
        return read_ids(self.media_type, body)


class JSONIds(IdsParser):
    """As an object."""

    media_type = batch_call.JSON


class NDJSONIds(IdsParser):
    """One a line."""

    media_type = batch_call.NDJSON


class BodyTooLarge(APIException):
    """The body is above MAX_BODY."""

    problem = TOO_LARGE


class BatchView(APIView):
    """`/api/v1/accept/`."""

    authentication_classes = (AcceptToken,)
    permission_classes = (AllowAny,)
    parser_classes = (JSONIds, NDJSONIds)

    @schema.batch
    def post(self, request: Request) -> Response:
        """Count a batch of calls: all of them, or none where one is wrong."""
        try:
            ids = cast("list[int]", request.data) or read_ids(batch_call.JSON, b"")
        except BadBatch as bad:
            rejections.BAD_CALL.add(why=str(bad))
            raise
        receipt = Receipt()
        for parts in rounds(ids, settings.REDIS_BUCKETS):
            if receipt.refused:
                receipt.refuse(parts)  # It is away: there is no time to find that out again
            else:
                recorder().commit(parts, receipt.noting(parts))
        return respond(receipt.cut_short) if receipt.refused else Response(receipt.answer)
