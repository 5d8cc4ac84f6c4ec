"""TokenGuard: keeps calls without a token from the batch lane."""

from counter.accepting import accept_call
from counter.accepting.asgi import App, Receive, Scope, Send
from counter.accepting.batches import batch_call
from counter.accepting.caller_tokens import CallerTokens

PATHS = (accept_call.PATH, batch_call.PATH)


class TokenGuard:
    """Lets calls with a token through to `app`; `refuse` answers the others."""

    def __init__(self, app: App, refuse: App, tokens: CallerTokens) -> None:
        self._app = app
        self._refuse = refuse
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request, or whatever else the server has to say."""
        is_open = scope.get("path") not in PATHS or self._tokens.admit_headers(scope["headers"])
        await (self._app if is_open else self._refuse)(scope, receive, send)
