"""The environment, in which a secret may also stand in a file."""

import environ
from environ.fileaware_mapping import FileAwareMapping


class _Files(FileAwareMapping):  # type: ignore[misc]  # it has no types
    """As Docker and Kubernetes mount secrets, and without the line's end that an editor leaves."""

    def __getitem__(self, name: str) -> str:
        return str(super().__getitem__(name)).rstrip("\n")


class Environment(environ.FileAwareEnv):  # type: ignore[misc]  # it has no types
    """NAME, or what is in the file that NAME_FILE names."""

    ENVIRON = _Files()
