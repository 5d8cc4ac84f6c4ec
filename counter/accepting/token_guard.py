"""ACCEPT_TOKEN: what a call must carry to be accepted, where it is set."""

import hmac

from counter.accepting import accept_call, batch_call
from counter.accepting.asgi import App, Receive, Scope, Send

PATHS = (accept_call.PATH, batch_call.PATH)


def carries(token: str, authorization: str) -> bool:
    """Whether the header `Authorization` has this token; takes as long for any wrong one."""
    return hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode())


class TokenGuard:
    """Lets calls with the token through to `app`; `refuse` answers the others. In front of the hot path."""

    def __init__(self, app: App, refuse: App, token: str) -> None:
        self._app = app
        self._refuse = refuse
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request, or whatever else the server has to say."""
        is_open = scope.get("path") not in PATHS or carries(self._token, _authorization(scope))
        await (self._app if is_open else self._refuse)(scope, receive, send)


def _authorization(scope: Scope) -> str:
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    return values[0].decode("latin-1") if len(values) == 1 else ""
