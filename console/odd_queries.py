"""Odd queries: what no filter, page or date can be made of leads to the page without it, which says so."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import structlog
from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import FieldDoesNotExist
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import SimpleTemplateResponse

logger = structlog.get_logger(__name__)

View = TypeVar("View", bound=Callable[..., HttpResponseBase])

ODD = (IncorrectLookupParameters, FieldDoesNotExist, ValueError, OverflowError)
"""What Django, Python's dates and the drivers of databases raise for what stands in a query."""


def forgiving(view: View) -> View:
    """The view, which answers an odd query by leading to its path alone. Without a query it raises."""

    @wraps(view)
    def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            answer = view(request, *args, **kwargs)
            return answer.render() if isinstance(answer, SimpleTemplateResponse) else answer
        except ODD as error:
            if request.method != "GET" or not request.GET:
                raise
            return without_query(request, request.path, error)

    return cast("View", asked)


def without_query(request: HttpRequest, path: str, error: Exception) -> HttpResponseBase:
    """Lead there, and say why."""
    logger.info("odd query", path=request.path, reason=repr(error))
    messages.warning(request, "Nothing can be found by that query; this is the page without it.")
    return redirect(path)
