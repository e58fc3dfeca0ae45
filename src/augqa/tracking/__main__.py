"""`python -m augqa.tracking init` makes the store; `view` also tells the address of its view."""

import argparse
import logging
import sys

from augqa.errors import AugQAError
from augqa.tracking import init, view_address


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m augqa.tracking")
    parser.add_argument(
        "command", choices=["init", "view"], help="make the store; tell where to look"
    )
    command = parser.parse_args().command
    logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells each migration
    try:
        uri = init()
        if command == "view":
            sys.stdout.write(f"One row a recipe and seed: {view_address()}\n")
            return
    except AugQAError as error:
        sys.exit(f"tracking: error: {error}")
    sys.stderr.write(f"tracking: {uri} is ready\n")


if __name__ == "__main__":
    main()
