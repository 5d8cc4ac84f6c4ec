"""Problem: what an error of `/api/v1/` says, after RFC 9457."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """One answer that is an error."""

    status: int
    detail: str
    more: Mapping[str, Any] = field(default_factory=dict)
    """Extension members, `errors` for one: what is wrong, and where in the request."""
    headers: Sequence[tuple[str, str]] = ()

    @property
    def members(self) -> dict[str, Any]:
        """The body. There is no `type` beyond the status: callers branch on that."""
        phrase = HTTPStatus(self.status).phrase
        return {
            "type": "about:blank",
            "title": phrase,
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }

    @property
    def body(self) -> bytes:
        """The body as JSON."""
        return json.dumps(self.members).encode()
