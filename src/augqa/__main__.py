"""The command `augqa`, also `python -m augqa`."""

import sys

import typer

from augqa.commands.documentation import docs
from augqa.commands.explaining import explain
from augqa.commands.exporting import export
from augqa.commands.inputs import check, data, profile
from augqa.commands.place import in_project, in_repository, lacking
from augqa.commands.reporting import report
from augqa.commands.responses import cache
from augqa.commands.results import results, table
from augqa.commands.running import grow, run
from augqa.commands.sweeping import compare, gather, sweep
from augqa.errors import AugQAError
from augqa.files import told
from augqa.terminal import say

# Programs that commands call, and what helps where one is not on the path.
_PROGRAMS = {
    "dvc": "no such program on the path: `source .venv/bin/activate`, and run again",
    "git": "no such program on the path: install git",
}

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Does training data written by a language model make a question-answering reader more"
    " robust? augqa runs the pipeline of dvc.yaml and shows what came of it.",
)
# In the order in which a newcomer needs them.
for command in (
    in_project(check),
    in_repository(run),
    in_project(table),
    in_project(profile),
    in_project(data),
    in_repository(grow),
    in_repository(sweep),
    in_repository(compare),
    in_repository(gather),
    in_project(explain),
    in_project(export),
    in_repository(results),
    report,
    in_project(docs),
):
    app.command()(command)
app.add_typer(cache, name="cache", help="Hand on the responses that were paid for.")


def main() -> None:
    """Run a command; a mistake of the user's, or a full disk, is one message and exit code 1."""
    try:
        app()
    except AugQAError as error:
        say(f"augqa: error: {error}", err=True)
        sys.exit(1)
    except FileNotFoundError as error:
        if error.filename not in _PROGRAMS:
            raise
        say(f"augqa: error: {error.filename}: {_PROGRAMS[error.filename]}", err=True)
        sys.exit(1)
    except OSError as error:
        if (said := told(error) or lacking(error)) is None:
            raise
        say(f"augqa: error: {said}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
