"""API tokens: kept as hashes, with a scope, an end and a last use."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import redis
from django.contrib.auth.models import User
from django.core.management.base import CommandError
from django.test import Client
from django.utils import timezone

from counter.models import ApiToken
from tests.support.tally.commands import command

pytestmark = pytest.mark.django_db

MINUTES = "/api/v1/minutes/"
PAGE = "/admin/counter/apitoken/"
READ, ACCEPT = ApiToken.Scope.READ, ApiToken.Scope.ACCEPT


@pytest.fixture
def ada() -> User:
    return User.objects.create_superuser("ada")


def read(token: str) -> int:
    return Client(headers={"Authorization": f"Bearer {token}"}).get(MINUTES).status_code


def test_the_database_has_no_token_only_its_hash(ada: User) -> None:
    token = ApiToken.objects.issue(ada, "dashboard", READ)
    [row] = ApiToken.objects.values_list()
    assert not any(token in str(value) for value in row)
    assert token != ApiToken.objects.issue(ada, "dashboard", READ)


@pytest.mark.usefixtures("valkey")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token.delete(),
        lambda token: ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1)),
        lambda token: ApiToken.objects.update(scope=ACCEPT),
        lambda token: User.objects.update(is_active=False),
    ],
    ids=["revoked", "ended", "for accepting", "of a user who may not log in"],
)
def test_a_token_reads_until(ada: User, spoil: Callable[[ApiToken], object]) -> None:
    token = ApiToken.objects.issue(ada, "dashboard", READ, timezone.now() + timedelta(hours=1))
    assert read(token) == 200
    spoil(ApiToken.objects.get())
    assert read(token) == 401


@pytest.mark.usefixtures("valkey")
def test_its_last_use_is_noted_once_a_minute(ada: User) -> None:
    token = ApiToken.objects.issue(ada, "dashboard", READ)
    assert ApiToken.objects.get().last_used_at is None
    read(token)
    first = ApiToken.objects.get().last_used_at
    assert first
    read(token)
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(seconds=61))
    read(token)
    assert (ApiToken.objects.get().last_used_at or first) > first


@pytest.mark.usefixtures("valkey")
def test_the_admin_shows_it_once(ada: User) -> None:
    client = Client()
    client.force_login(ada)
    assert client.get(f"{PAGE}add/").status_code == 200
    form = {"name": "dashboard", "scope": "read", "user": ada.pk, "expires_at_0": "", "expires_at_1": ""}
    [token] = re.findall(r"tally_\w{40}", client.post(f"{PAGE}add/", form).text)
    assert read(token) == 200
    listed = client.get(PAGE).text
    assert "dashboard" in listed
    assert token not in listed
    made = ApiToken.objects.get()
    assert token not in client.get(f"{PAGE}{made.pk}/change/").text
    client.post(f"{PAGE}{made.pk}/delete/", {"post": "yes"})
    assert read(token) == 401
    assert "dashboard" in client.get("/admin/admin/logentry/").text


@pytest.mark.usefixtures("valkey")
def test_commands_make_and_revoke(ada: User) -> None:
    token = command("create_token", "ada", "--name", "dashboard", "--days", "7").split()[2]
    other = command("drf_create_token", "ada").split()[2]
    assert (read(token), read(other)) == (200, 200)
    end = ApiToken.objects.get(name="dashboard").expires_at
    assert end
    assert timedelta(days=6.9) < end - timezone.now() < timedelta(days=7)
    assert command("revoke_token", "ada", "--name", "dashboard") == "1 token of ada revoked\n"
    assert (read(token), read(other)) == (401, 200)
    assert command("revoke_token", "ada") == "1 token of ada revoked\n"
    assert read(other) == 401
    with pytest.raises(CommandError, match="ada has no token"):
        command("revoke_token", "ada")
    with pytest.raises(CommandError, match="there is no user bob"):
        command("create_token", "bob")
    with pytest.raises(CommandError, match="--days is a number from 1"):
        command("create_token", "ada", "--days", "0")


def test_wrong_ones_are_not_looked_for_in_the_clear(ada: User, valkey: redis.Redis) -> None:
    ApiToken.objects.issue(ada, "dashboard", READ)
    assert read(ApiToken.objects.get().digest) == 401
