"""Output: what an application's answer is written to, in the place of the transport."""

import asyncio
from typing import Protocol


class HangsUp(Protocol):
    """The connection's protocol, which closes it when the answer has been read."""

    def hang_up(self) -> None:
        """This was the last answer."""


class Output:
    """See the module."""

    __slots__ = ("_protocol", "is_closing", "write")

    def __init__(self, protocol: HangsUp, transport: asyncio.Transport) -> None:
        self._protocol = protocol
        self.write = transport.write
        self.is_closing = transport.is_closing

    def close(self) -> None:
        """This was the last answer."""
        self._protocol.hang_up()
