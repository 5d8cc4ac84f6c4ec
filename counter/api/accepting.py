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

from counter import accepting, id_batch, refusals
from counter.api import documented
from counter.api.access import AcceptToken
from counter.api.problems import respond
from counter.batch import Unavailable
from counter.callback_queue import CallbackQueue
from counter.connection import connect_for_accept
from counter.delivery import rounds
from counter.event_recorder import EventRecorder
from counter.id_batch import MAX_BODY, BadBatch, Receipt, read_ids
from counter.recorder import Recorder
from counter.request_body import ENCODED, TOO_LARGE, UNENCODED
from counter.sink import is_event_mode


@cache
def recorder() -> Recorder | EventRecorder:
    """The one of this process."""
    return EventRecorder() if is_event_mode() else Recorder(connect_for_accept())


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
    return HttpResponse(body, status=status, content_type=accepting.CONTENT_TYPE, headers=headers)


class AcceptView(APIView):
    """`/api/verve/accept`. Its answers are plain text, also its errors."""

    authentication_classes = (AcceptToken,)
    permission_classes = (AllowAny,)
    content_negotiation_class = AnyAccept

    @documented.accept
    def get(self, request: Request) -> HttpResponse:
        """Count one call: `ok` once it is recorded."""
        try:
            call = accepting.parse_call(request.META["QUERY_STRING"].encode("latin-1"))
            accepted = recorder().record([call.id])
        except accepting.BadCall as bad:
            refusals.BAD_CALL.add(why=str(bad))
            return _answer(400, accepting.FAILED)
        except Unavailable:
            seconds = str(accepting.RETRY_AFTER_SECONDS)
            return _answer(503, accepting.FAILED, **{"Retry-After": seconds})
        if call.endpoint:
            callbacks().put(call.endpoint, accepted.minute)
        return _answer(200, accepting.OK)

    post = get

    def handle_exception(self, exc: Exception) -> Response:
        """What goes wrong before `get`."""
        answer = super().handle_exception(exc)
        headers = {name: value for name, value in answer.items() if name != "Content-Type"}
        return cast("Response", _answer(answer.status_code, accepting.FAILED, **headers))


class IdsParser(BaseParser):
    """The ids of a batch. Raises BadBatch, or TooLarge."""

    def parse(self, stream: Any, media_type: str | None = None, context: Any = None) -> Any:
        """A list, though REST framework would rather have a dictionary."""
        if context["request"].headers.get("Content-Encoding", "").strip().lower() not in UNENCODED:
            refusals.BAD_CALL.add(why=ENCODED.detail)
            raise BodyEncoded
        body = stream.read(MAX_BODY + 1)
        if len(body) > MAX_BODY:
            refusals.BAD_CALL.add(why=TOO_LARGE.detail)
            raise BodyTooLarge
        return read_ids(self.media_type, body)


class JSONIds(IdsParser):
    """As an object."""

    media_type = id_batch.JSON


class NDJSONIds(IdsParser):
    """One a line."""

    media_type = id_batch.NDJSON


class BodyTooLarge(APIException):
    """The body is above MAX_BODY."""

    problem = TOO_LARGE


class BodyEncoded(APIException):
    """The body is compressed, or something else that is to be undone."""

    problem = ENCODED


class BatchView(APIView):
    """`/api/v1/accept/`."""

    authentication_classes = (AcceptToken,)
    permission_classes = (AllowAny,)
    parser_classes = (JSONIds, NDJSONIds)

    @documented.batch
    def post(self, request: Request) -> Response:
        """Count a batch of calls: all of them, or none where one is wrong."""
        try:
            ids = cast("list[int]", request.data) or read_ids(id_batch.JSON, b"")
        except BadBatch as bad:
            refusals.BAD_CALL.add(why=str(bad))
            raise
        receipt = Receipt()
        for parts in rounds(ids, settings.REDIS_BUCKETS):
            if receipt.refused:
                receipt.refuse(parts)  # It is away: there is no time to find that out again
            else:
                recorder().commit(parts, receipt.noting(parts))
        return respond(receipt.cut_short) if receipt.refused else Response(receipt.answer)
