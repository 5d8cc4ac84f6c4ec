"""What tests/support/schemathesis.toml has schemathesis do in this project's own way."""

import json
from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(context: schemathesis.SerializationContext, value: object) -> bytes:
    """The schema has the lines as one string; anything else is a wrong body."""
    return (value if isinstance(value, str) else json.dumps([value])).encode()


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """JSON Schema calls 7.0 an integer, and has no way to ask for 7."""
    if isinstance(body, dict) and isinstance(ids := body.get("ids"), list):
        body["ids"] = [int(id) if isinstance(id, float) and id.is_integer() else id for id in ids]
    return body
