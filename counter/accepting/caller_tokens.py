"""CallerTokens: what opens the accept calls where ACCEPT_TOKEN closes them.

That is ACCEPT_TOKEN itself, and every API token with the scope `accept`. Those are in the database, which no
call may wait for: a thread looks them up, again and again. While the database is away, what it knew last
holds.
"""

import hmac
import math
import threading
import time
from collections.abc import Iterable
from functools import cache

import structlog
from django.conf import settings
from django.db import connection

from counter.models import ApiToken, digest_of
from counter.time_limit import AWAY, within

logger = structlog.get_logger(__name__)

LOOK_SECONDS = 5.0
"""Between two looks: so soon a new token opens, and a revoked one no longer does."""

DATABASE_SECONDS = 2.0


class CallerTokens:
    """Thread-safe."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}".encode()
        self._until: dict[str, float] = {}
        self._used: set[str] = set()
        self.are_known = False
        """Whether the database has ever answered"""

    def admit(self, authorization: str) -> bool:
        """Whether the header `Authorization` has one of them; takes as long for any wrong one."""
        if hmac.compare_digest(authorization.encode(), self._header):
            return True
        scheme, _, token = authorization.partition(" ")
        digest = digest_of(token)
        if scheme != "Bearer" or self._until.get(digest, -math.inf) < time.time():
            return False
        self._used.add(digest)
        return True

    def admit_headers(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether a request with these headers, by their names in lower case, carries one of them."""
        values = [value for name, value in headers if name == b"authorization"]
        return len(values) == 1 and self.admit(values[0].decode("latin-1"))

    def keep_looking(self) -> None:
        """In a thread that ends with the process."""
        threading.Thread(target=self._run, name="tokens", daemon=True).start()

    def look(self) -> None:
        """Ask the database. Raises one of AWAY."""
        used, self._used = self._used, set()
        with within(DATABASE_SECONDS):
            valid = ApiToken.objects.valid(ApiToken.Scope.ACCEPT).values_list("digest", "expires_at")
            self._until = {digest: end.timestamp() if end else math.inf for digest, end in valid}
            self.are_known = True
            if used:
                ApiToken.objects.note_use(list(used))

    def _run(self) -> None:
        while True:
            try:
                self.look()
            except AWAY as error:
                logger.warning("the database does not say which tokens there are", error=str(error))
            except Exception:
                logger.exception("tokens could not be looked up")
            finally:
                connection.close()
            time.sleep(LOOK_SECONDS)


@cache
def caller_tokens() -> CallerTokens | None:
    """The ones of this process; None where everybody may call. Made after any fork."""
    if not settings.ACCEPT_TOKEN:
        return None
    tokens = CallerTokens(settings.ACCEPT_TOKEN)
    tokens.keep_looking()
    return tokens
