"""The command `augqa`, also `python -m augqa`."""

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from augqa.commands.place import in_project, in_repository, lacking
from augqa.errors import AugQAError
from augqa.files import told
from augqa.terminal import say

# Each command's module, and where it may be called: in the order in which a newcomer needs them.
_COMMANDS = {
    "check": ("checking", in_project),
    "run": ("running", in_repository),
    "table": ("results", in_project),
    "profile": ("checking", in_project),
    "data": ("inputs", in_project),
    "grow": ("running", in_repository),
    "sweep": ("sweeping", in_repository),
    "compare": ("sweeping", in_repository),
    "gather": ("sweeping", in_repository),
    "explain": ("explaining", in_project),
    "export": ("exporting", in_project),
    "results": ("results", in_repository),
    "report": ("reporting", None),
    "docs": ("documentation", in_project),
    "cache": ("responses", None),
}


class _Commands(TyperGroup):
    """The commands; a module is loaded when its command is called, or listed with its help."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # Their names, for a hint at a misspelt one.
        self.commands = dict.fromkeys(_COMMANDS, TyperCommand(None))

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        name, where = _COMMANDS[cmd_name]
        found = getattr(importlib.import_module(f"augqa.commands.{name}"), cmd_name)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            alone.command(cmd_name)(found if where is None else where(found))
            found = alone
        command = typer.main.get_command(found)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=_Commands, add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True
)


@app.callback()
def augqa() -> None:
    """Does training data written by a language model make a question-answering reader more robust?

    augqa runs the pipeline of dvc.yaml and shows what came of it.
    """


def main() -> None:
    """Run a command; a mistake of the user's, or a full disk, is one message and exit code 1."""
    try:
        app()
    except AugQAError as error:
        say(f"augqa: error: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        if (said := told(error) or lacking(error)) is None:
            raise
        say(f"augqa: error: {said}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
