"""Addresses in messages are shown without what opens them."""

import pytest

from augqa.address_text import without_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:S3CRET@host:3128/a", "http://host:3128/a"),
        ("http://user:S3?CRET@host", "http://host"),
        ("http://user:S3/CRET#@host", "http://host"),
        ("http://user:S3@CRET@host", "http://host"),
        ("user:S3CRET@host/v1", "host/v1"),
        ("http://host/v1?api-version=1&api_key=S3CRET", "http://host/v1?api-version=1&api_key=..."),
        (
            "postgresql://h/db?password=S3CRET&sslmode=on",
            "postgresql://h/db?password=...&sslmode=on",
        ),
        (
            "no answer from http://u:S3CRET@a and http://u:S3CRET@b",
            "no answer from http://a and http://b",
        ),
        ("https://host/v1?code=S3CRET", "https://host/v1?code=..."),
        ("https://host/a@b.html", "https://b.html"),
        ("write to a@b, see https://host/v1", "write to a@b, see https://host/v1"),
    ],
)
def test_no_password_and_no_key_of_an_address_is_shown(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
