"""Following a log."""

import os
from pathlib import Path


class Tail:
    """What is appended to a file from now on, also after its rotation."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self._path = path
        self._file = path.open("rb")
        self._file.seek(0, os.SEEK_END)
        self._begun = b""

    def read(self) -> bytes:
        """The lines that have been completed since the last call."""
        rotated = self._is_rotated()
        text = self._begun + self._file.read()
        if rotated:
            self._file.close()
            self._file = self._path.open("rb")
            text += self._file.read()
        lines, end, self._begun = text.rpartition(b"\n")
        return lines + end

    def close(self) -> None:
        """Close the file: it is read no more."""
        self._file.close()

    def _is_rotated(self) -> bool:
        try:
            return not os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except FileNotFoundError:
            return False  # in the middle of it
