"""What a stage script is made of: its command line, its closing line, its errors."""

import inspect
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from augqa import processor
from augqa.errors import AugQAError
from augqa.files import told
from augqa.terminal import PrintableFormatter

# Without `Option`, a parameter without a default would become positional.
Input = Annotated[Path, typer.Option(exists=True)]  # must stand under deps: in dvc.yaml
Output = Annotated[Path, typer.Option()]  # must stand under outs:, metrics: or plots:
OptionalInput = Annotated[Path | None, typer.Option(exists=True)]  # some regimes need none
Seed = Annotated[int, typer.Option()]  # a matrix item, never a default
Name = Annotated[str, typer.Option()]  # a matrix item, or a name that dvc.yaml gives

log = logging.getLogger("augqa")


def project_root() -> Path:
    """Return the folder of the repository, also from a temporary workspace of `dvc exp`.

    DVC sets DVC_ROOT to the repository the user stands in, in every mode.
    """
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def _refuse_late_switches() -> None:
    """Refuse to compute with libraries that were loaded before they were held to one arithmetic.

    Raises:
        AugQAError: If one was.
    """
    if late := processor.late():
        raise AugQAError(
            f"params.yaml: reproducible: x86_64, but {', '.join(late)} was imported before augqa"
        )


def run(stage: Callable[..., str]) -> None:
    """Run `stage` as a command line; its return value is its closing line.

    An `AugQAError` is shown as one message, without a traceback, and exits with 1; so is what the
    machine refuses, such as a full disk.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PrintableFormatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # Libraries' routine talk would bury the closing line.
    for noisy in ("httpx2", "httpx", "openai", "mlflow", "alembic", "great_expectations"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

    def command(*args: object, **kwargs: object) -> None:
        started = time.perf_counter()
        try:
            _refuse_late_switches()
            closing = stage(*args, **kwargs)
        except AugQAError as error:
            log.error("%s: error: %s", stage.__name__, error)
            raise typer.Exit(1) from error
        except OSError as error:
            if (said := told(error)) is None:
                raise
            log.error("%s: error: %s", stage.__name__, said)
            raise typer.Exit(1) from error
        log.info("%s: %s (%.1f s)", stage.__name__, closing, time.perf_counter() - started)

    # typer reads the options off the signature and its annotations.
    command.__signature__ = inspect.signature(stage)  # type: ignore[attr-defined]
    command.__annotations__ = stage.__annotations__
    command.__doc__ = stage.__doc__
    app.command()(command)
    app()
