"""Whatever comes from outside is read or refused by name, in good time."""

import pytest

from tests.fuzz.outside import TARGETS, fuzz


# The same few each time; `make fuzz` tries others, and more.
@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_is_read_or_refused_by_name(name: str) -> None:
    fuzz(name, 40 if name == "params" else 150, derandomize=True)()
