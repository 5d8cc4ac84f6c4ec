"""Every error of `/api/v1/` as `application/problem+json`, whoever raises it."""

import sys
from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error as default_server_error
from redis.exceptions import RedisError, ResponseError
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler
from typing_extensions import override

from counter.accepting.accept_call import RETRY_AFTER_SECONDS
from counter.accepting.problem import CONTENT_TYPE, Problem
from counter.time_limit import AWAY

PREFIX = "/api/v1/"
NO_DATABASE = "the database with the history and the accounts does not answer"


def respond(problem: Problem) -> Response:
    """The answer of a view that has come to nothing."""
    return Response(problem.members, problem.status, headers=dict(problem.headers), content_type=CONTENT_TYPE)


def handle(exception: Exception, context: dict[str, Any]) -> Response | None:
    """What REST framework asks for each exception of a view; None for a bug, see `server_error`."""
    if isinstance(problem := getattr(exception, "problem", None), Problem):
        return respond(problem)
    if isinstance(exception, RedisError):
        detail = str(exception) if isinstance(exception, ResponseError) else "Redis does not answer"
        return respond(_away(detail))
    if isinstance(exception, AWAY):
        return respond(_away(NO_DATABASE))
    if not (answer := exception_handler(exception, context)):
        return None
    if isinstance(exception, ValidationError):
        problem = Problem(400, "the query has errors", {"errors": list(_errors(exception))})
    else:
        problem = Problem(answer.status_code, str(answer.data["detail"]))
    answer.data = problem.members
    answer.content_type = CONTENT_TYPE
    return answer


def _errors(exception: ValidationError) -> Iterator[dict[str, str]]:
    assert isinstance(exception.detail, dict)
    for parameter, details in exception.detail.items():
        yield from ({"parameter": parameter, "detail": str(detail)} for detail in details)


class NowhereView(APIView):
    """All paths under `/api/v1/` that there are not."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    schema = None

    @override
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Before any method: there is nothing here."""
        raise NotFound("there is nothing here; every path of this API ends with a slash")


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500: a bug, which is in the log, or a database that is away."""
    is_away = isinstance(sys.exc_info()[1], AWAY)
    if request.path.startswith(PREFIX):
        fault = Problem(500, "this is a fault of Tally's; its log says more")
        problem = _away(NO_DATABASE) if is_away else fault
        return HttpResponse(problem.body, CONTENT_TYPE, problem.status, headers=dict(problem.headers))
    if is_away:
        return HttpResponse(render_to_string("503.html"), status=503)  # who asks is in the database, too
    return default_server_error(request)


def _away(title: str) -> Problem:
    return Problem(503, title, headers=[("Retry-After", str(RETRY_AFTER_SECONDS))])
