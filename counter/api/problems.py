"""Every error of `/api/v1/` as `application/problem+json`, whoever raises it."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.defaults import server_error as default_server_error
from redis.exceptions import RedisError
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from counter.accepting.accept_call import RETRY_AFTER_SECONDS
from counter.accepting.problem import CONTENT_TYPE, Problem

PREFIX = "/api/v1/"


def respond(problem: Problem) -> Response:
    """The answer of a view that has come to nothing."""
    return Response(problem.members, problem.status, headers=dict(problem.headers), content_type=CONTENT_TYPE)


def handle(exception: Exception, context: dict[str, Any]) -> Response | None:
    """What REST framework asks for each exception of a view; None for a bug, see `server_error`."""
    if isinstance(problem := getattr(exception, "problem", None), Problem):
        return respond(problem)
    if isinstance(exception, RedisError):
        return respond(
            Problem(503, "Redis does not answer", headers=[("Retry-After", str(RETRY_AFTER_SECONDS))])
        )
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

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Before any method: there is nothing here."""
        raise NotFound("there is nothing here; every path of this API ends with a slash")


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500: a bug, which is in the log."""
    if not request.path.startswith(PREFIX):
        return default_server_error(request)
    problem = Problem(500, "this is a fault of Tally's; its log says more")
    return HttpResponse(problem.body, status=500, content_type=CONTENT_TYPE)
