"""Who looks at the console, without a browser."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

Login = Callable[..., Client]


@pytest.fixture
def login() -> Login:
    """A client signed in as staff of these groups."""

    def make(*groups: str, superuser: bool = False) -> Client:
        user = User.objects.create(
            username="-".join(groups) or "staff", is_staff=True, is_superuser=superuser
        )
        user.groups.set(Group.objects.filter(name__in=groups))
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def viewer(login: Login) -> Client:
    return login("Viewers")


@pytest.fixture
def operator(login: Login) -> Client:
    return login("Operators")
