"""Spans: what a trace shows of Tally's own work. Where project/telemetry sets no others, there are none."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

Attributes = Mapping[str, str | int]

_NONE = nullcontext()


class Spans:
    """What makes spans: this one makes none, at the cost of a call."""

    def make(self, name: str, attributes: Attributes) -> AbstractContextManager[object]:
        """A span of that name around the block; an exception marks it as failed."""
        return _NONE

    def ids(self) -> dict[str, str]:
        """`trace_id` and `span_id` of the present span, for the log; empty without one."""
        return {}


current = Spans()
