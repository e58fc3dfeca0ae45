"""The command `augqa` as a whole: what it loads, lists and calls."""

import subprocess
import sys

import pytest

from augqa.__main__ import _COMMANDS, app

HEAVY = ("torch", "datasets", "openai", "scipy.stats", "pandas", "dvc", "mlflow")


@pytest.mark.parametrize("name", ["check", "profile", "run", "grow"])
def test_a_command_that_waits_for_stages_loads_no_library_that_only_stages_need(name: str) -> None:
    code = (
        "import sys; from augqa.__main__ import app, _Commands\n"
        f"_Commands(name='augqa').get_command(None, {name!r})\n"
        f"print([heavy for heavy in {HEAVY!r} if heavy in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", _COMMANDS)
def test_each_command_is_there_under_its_name_and_says_what_it_does(name: str) -> None:
    found = app.info.cls(name="augqa").get_command(None, name)
    assert found.name == name
    assert found.get_short_help_str()
