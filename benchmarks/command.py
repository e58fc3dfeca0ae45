"""A benchmark as a command: a mistake of its user's is one message, not a traceback."""

import sys
from collections.abc import Callable
from pathlib import Path

from augqa.errors import AugQAError


def run_command(main: Callable[[], None]) -> None:
    """Run `main`; an `AugQAError` is shown as one message and exits with 1."""
    try:
        main()
    except AugQAError as error:
        sys.exit(f"{Path(sys.argv[0]).name}: error: {error}")
