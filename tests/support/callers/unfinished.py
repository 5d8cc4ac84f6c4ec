"""A caller over HTTP/2 that begins as many requests as it may, and finishes none."""

import socket
import ssl
import threading
from pathlib import Path

from h2.connection import H2Connection
from h2.events import ConnectionTerminated, ResponseReceived
from h2.exceptions import ProtocolError

from counter.accepting.accept_call import PATH

MAX_STREAMS = 100
"""On one connection, until the server says how many it may have."""


class Unfinished(threading.Thread):
    """One connection at a time, with as many bodies under way as the server lets it have."""

    def __init__(self, port: int, authority: Path) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._tls = ssl.create_default_context(cafile=authority)
        self._tls.set_alpn_protocols(["h2"])
        self._stopped = threading.Event()
        self.begun = 0
        """Requests, on all connections so far."""
        self.refused = 0
        """Those of them that were answered with 429."""

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                raw = socket.create_connection(("localhost", self._port), 30)
                with self._tls.wrap_socket(raw, server_hostname="localhost") as caller:
                    self._hold(caller)
            except (OSError, ProtocolError):
                continue  # refused, or thrown out: another one

    def stop(self) -> None:
        self._stopped.set()
        self.join()

    def _hold(self, caller: ssl.SSLSocket) -> None:
        connection = H2Connection()
        connection.initiate_connection()
        caller.settimeout(0.05)
        while not self._stopped.is_set():
            most = min(MAX_STREAMS, connection.remote_settings.max_concurrent_streams)
            while connection.open_outbound_streams < most:
                self._begin(connection)
            caller.sendall(connection.data_to_send())
            try:
                received = caller.recv(65536)
            except TimeoutError:
                continue
            events = connection.receive_data(received)
            answers = [event for event in events if isinstance(event, ResponseReceived)]
            self.refused += sum((b":status", b"429") in (answer.headers or ()) for answer in answers)
            if not received or any(isinstance(event, ConnectionTerminated) for event in events):
                return

    def _begin(self, connection: H2Connection) -> None:
        stream = connection.get_next_available_stream_id()
        connection.send_headers(
            stream,
            [
                (":method", "POST"),
                (":path", f"{PATH}?id=2"),  # of which more may come from one client than of any other
                (":scheme", "https"),
                (":authority", "localhost"),
                ("content-length", "100"),
            ],
        )
        connection.send_data(stream, b"half of it")
        self.begun += 1
