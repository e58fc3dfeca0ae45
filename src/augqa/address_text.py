"""Addresses in messages and records: without what opens them."""

import re

# In a header's value: the environment variable that stands for it.
FROM_ENVIRONMENT = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]{0,63})\}")
# Up to the last @ before a space: a password may hold each of : / ? # and @.
_USER = re.compile(r"//\S*@")
_BARE_USER = re.compile(r"^(?!\S*//)\S*@")
_SECRET = re.compile(
    r"key|token|secret|passw|credential|signature|^sig$|^code$|^auth", re.IGNORECASE
)
_FIELD = re.compile(r"([?&;])([^=&;\s]+)=([^&;\s]*)")


def without_secrets(text: str) -> str:
    """Return a text in which no address has a user, a password, or a key in its query.

    What cannot be told from a password is left out, too.
    """
    return _FIELD.sub(_blank, _BARE_USER.sub("", _USER.sub("//", text)))


def is_secret(name: str) -> bool:
    """Return whether a field of a query is one that opens something, by its name."""
    return _SECRET.search(name) is not None


def _blank(field: re.Match[str]) -> str:
    before, name, _ = field.groups()
    return f"{before}{name}=..." if is_secret(name) else field.group()
