"""Hashing passwords without holding up calls: one at a time, in what they leave of the processor."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from django.contrib.auth.hashers import PBKDF2PasswordHasher

from counter import time_limit

NICE = 19
"""The least that Linux knows. A hash is a second of work, on purpose, and calls take a millisecond."""


def _be_nice() -> None:
    if sys.platform == "linux":  # where a thread has a niceness of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


_thread = ThreadPoolExecutor(1, "hashing", _be_nice)


class NicePBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """Django's own, with the same hashes."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """In the one thread of this process for it."""
        with time_limit.paused():
            return _thread.submit(super().encode, password, salt, iterations).result()
