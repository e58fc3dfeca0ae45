"""A benchmark as a command: a mistake of its user's is one message, not a traceback."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

from augqa import processor
from augqa.errors import AugQAError


def need_packages(*names: str) -> None:
    """See at the start that what is compared with is there, before minutes are spent.

    Raises:
        AugQAError: If a package is not installed.
    """
    if missing := [name for name in names if importlib.util.find_spec(name) is None]:
        raise AugQAError(f"{', '.join(missing)}: not installed; `make bench` installs it")


def need_folder(option: str, path: Path | None) -> None:
    """See at the start that a folder that is read at the end is there.

    Raises:
        AugQAError: If it is not; an option that is not given needs none.
    """
    if path is not None and not path.is_dir():
        raise AugQAError(f"{option} {path}: there is no such folder")


def run_command(main: Callable[[], None]) -> None:
    """Run `main`; an `AugQAError` is shown as one message and exits with 1.

    One line says so where the params of this folder slow everything down.
    """
    name = Path(sys.argv[0]).name
    if processor.is_pinned():
        print(
            f"{name}: params.yaml here has reproducible: x86_64, so all libraries are held to AVX2"
            " and one way of adding up. `augqa profile cpu` measures this processor",
            file=sys.stderr,
        )
    try:
        main()
    except AugQAError as error:
        sys.exit(f"{name}: error: {error}")
