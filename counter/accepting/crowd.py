"""Crowd: a bound on the requests that an application works on at the same time."""

from counter.accepting import accept_call
from counter.accepting.asgi import App, Receive, Scope, Send, send_answer, send_problem
from counter.accepting.problem import Problem
from counter.telemetry import rejections

MAX_UNDER_WAY = 100
"""Each takes a thread of Django's."""

HEALTH, SPARE = ("/healthz", "/readyz"), 10
"""So many more of these: who asks would restart a server that only has much to do, or take it out."""

WHY = "too many requests are under way"
RETRY = ("Retry-After", str(accept_call.RETRY_AFTER_SECONDS))
CROWDED = Problem(503, WHY, headers=[RETRY])


class Crowd:
    """Hands a request to `app`, or refuses it at once. Belongs to one event loop."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request."""
        if self._under_way >= MAX_UNDER_WAY + SPARE * (scope["path"] in HEALTH):
            rejections.UNAVAILABLE.add(why=WHY)
            if scope["path"] == accept_call.PATH:
                await send_answer(503, accept_call.CONTENT_TYPE, accept_call.FAILED, send, RETRY)
            else:
                await send_problem(CROWDED, send)
            return
        self._under_way += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= 1
