"""Texts of others on a terminal: shown, never obeyed."""

import logging

import typer


def printable(text: str) -> str:
    """Return a text that a terminal shows as it is.

    Escape codes, marks of direction, NUL and halves of surrogate pairs stand as their escapes in
    Python; line breaks and tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text as `printable` returns it; no command prints in another way.

    Args:
        text: Of whomever.
        err: Whether to stderr.
        nl: Whether a line break follows.
    """
    typer.echo(printable(text), err=err, nl=nl)


class PrintableFormatter(logging.Formatter):
    """Formats records so that a terminal shows them as they are."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return printable(super().format(record))
