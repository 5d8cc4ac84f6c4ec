"""What browsers are told, and Django's own checks of a production configuration."""

import subprocess

import pytest
from django.test import Client
from pytest_django import Settings

from tests.web import manage

PRODUCTION = {
    "HTTPS_ONLY": "true",
    "ALLOWED_HOSTS": "tally.example.com",
    "SECRET_KEY": "a long and random one: 0123456789 abcdefghijklmnop",
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
INLINE = ("<style", "style=", "onclick=", "<script>")


def test_a_production_configuration_passes_every_check() -> None:
    manage("check", "--deploy", "--fail-level=WARNING", **PRODUCTION)


@pytest.mark.parametrize(
    ("name", "value"),
    [("HTTPS_ONLY", "false"), ("DEBUG", "true"), ("ALLOWED_HOSTS", ""), ("SECRET_KEY", "short")],
)
def test_one_that_is_not_fit_for_production_does_not(name: str, value: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        manage("check", "--deploy", "--fail-level=WARNING", **PRODUCTION | {name: value})
    assert "security.W" in failed.value.stderr


@pytest.mark.parametrize("path", ["/admin/login/", "/api/docs/"])
def test_a_page_is_strict_and_has_nothing_inline(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} <= {
        *policy
    }
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert [bad for bad in INLINE if bad in answer.text] == []


def test_http_is_sent_to_https_but_for_probes(client: Client, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS = True, 60
    answer = client.get("/admin/login/")
    assert (answer.status_code, answer.headers["Location"]) == (301, "https://testserver/admin/login/")
    assert client.get("/healthz").status_code == 200
    # As the proxy says it
    answer = client.get("/admin/login/", headers={"X-Forwarded-Proto": "https"})
    assert answer.status_code == 200
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=60")
