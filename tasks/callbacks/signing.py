"""Signing callbacks after Standard Webhooks, so that an endpoint can tell that they come from this Tally."""

import uuid
from datetime import UTC, datetime

from django.conf import settings
from standardwebhooks import Webhook


def signed(body: bytes) -> dict[str, str]:
    """The headers that Standard Webhooks has for a body; none without CALLBACK_SIGNING_KEY."""
    if not settings.CALLBACK_SIGNING_KEY:
        return {}
    id, now = f"msg_{uuid.uuid4().hex}", datetime.now(UTC)
    signature = Webhook(settings.CALLBACK_SIGNING_KEY).sign(id, now, body.decode())
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
