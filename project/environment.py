"""The environment, in which a secret may also stand in a file."""

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

LIMITED = {
    "django.db.backends.postgresql": "project.postgresql",
    "django.db.backends.sqlite3": "project.sqlite",
}
"""The backends that keep the limits of counter/time_limit.py."""


class _Files(FileAwareMapping):  # type: ignore[misc]  # it has no types
    """As Docker and Kubernetes mount secrets, and without the line's end that an editor leaves."""

    def __getitem__(self, name: str) -> str:
        return str(super().__getitem__(name)).rstrip("\n")


class Environment(environ.FileAwareEnv):  # type: ignore[misc]  # it has no types
    """NAME, or what is in the file that NAME_FILE names."""

    ENVIRON = _Files()

    def db(self, var: str) -> dict[str, Any]:
        """A database by its url. What is wrong with one is not shown: it may be a part of its password."""
        try:
            found = dict(super().db(var))
        except ValueError:
            raise ImproperlyConfigured(
                f"{var} is not the url of a database; a password in it must be quoted (/ as %2F)"
            ) from None
        return found | {"ENGINE": LIMITED.get(found["ENGINE"], found["ENGINE"])}


env = Environment()
"""Of this process."""
