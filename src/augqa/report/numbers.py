"""Scores and differences as a table and a page write them."""

NONE = "–"


def number(value: float | None) -> str:
    """Return a score with one decimal, or a dash."""
    return NONE if value is None else f"{value:.1f}"


def signed(value: float) -> str:
    """Return a difference with its sign and one decimal; one that rounds to none has no sign."""
    text = f"{value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text
