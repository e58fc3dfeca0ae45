"""Commands that hand on the responses that were paid for: cache export, cache import."""

from pathlib import Path
from typing import Annotated

import typer

from augqa.commands.place import in_project
from augqa.llm import default_cache_path
from augqa.llm.sharing import export_cache, import_cache
from augqa.terminal import say

cache = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Hand on the responses that were paid for.",
)


@cache.command("export")
@in_project
def export_responses(file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Write all responses of the cache to FILE (gzip), for `augqa cache import` elsewhere."""
    path = default_cache_path()
    say(f"{export_cache(path, file)} responses of {path} are in {file}")


@cache.command("import")
@in_project
def import_responses(file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Take the responses in FILE into the cache, where they are better than what it has."""
    path = default_cache_path()
    done = import_cache(file, path)
    say(
        f"{done.n_records} responses in {file}: {done.n_new} are new in {path},"
        f" {done.n_better} took the place of a worse one"
    )
