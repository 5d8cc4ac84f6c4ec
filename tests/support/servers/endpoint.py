"""An endpoint that callbacks are sent to, as a real server."""

import json
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product

from counter.task_names import CALLBACK_QUEUES
from tests.support.processes import HOME
from tests.support.programs import Program

Answer = Callable[[BaseHTTPRequestHandler], None]


class Receiver:
    """An endpoint on 127.0.0.1; `got` has the path, the host and the body of every request."""

    def __init__(self, answer: Answer, port: int = 0) -> None:
        self.got: queue.Queue[tuple[str, str, object]] = queue.Queue()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                receiver.got.put((self.path, self.headers["host"], body))
                with suppress(OSError):
                    answer(self)

            def log_message(self, format: str, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@contextmanager
def receiving(answer: Answer, port: int = 0) -> Iterator[Receiver]:
    receiver = Receiver(answer, port)
    threading.Thread(target=receiver.server.serve_forever, daemon=True).start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


def ok(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(204)
    handler.end_headers()


def callback_worker(*receivers: Receiver) -> Program:
    """A worker of callbacks, which may call these."""
    options = ["--queues", ",".join(CALLBACK_QUEUES), "--pool", "threads", "--concurrency", "2"]
    hosts = product(("127.0.0.1", "localhost", "127.1"), receivers)
    env = {"CALLBACK_ALLOWED_HOSTS": ",".join(f"{host}:{receiver.port}" for host, receiver in hosts)}
    return Program("celery", "-A", "project", "worker", *options, log=HOME / "worker.log", env=env)
