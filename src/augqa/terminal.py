"""Texts of others on a terminal: shown, never obeyed."""

import logging


def printable(text: str) -> str:
    """Return a text that a terminal shows as it is.

    Escape codes, marks of direction, NUL and halves of surrogate pairs stand as their escapes in
    Python; line breaks and tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


class PrintableFormatter(logging.Formatter):
    """Formats records so that a terminal shows them as they are."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return printable(super().format(record))
