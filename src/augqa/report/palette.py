"""Colours by recipe: names are the user's own, so that colours go by place.

Chosen by search for the largest smallest distance (CIE 1976) of any two, seen with full colour
vision and with each of three kinds of colour blindness (Machado et al. 2009), with a contrast of
3:1 or more against the ground of the page. tests/test_report_palette.py holds both.
"""

from collections.abc import Mapping, Sequence

# The first is the control's.
LIGHT = ("#7b808a", "#1d6fb0", "#cf6a12", "#57350f", "#4c0eaa", "#b2754d", "#1f3f47", "#a413ec")
DARK = ("#868c97", "#4a9ad4", "#e08a3c", "#f6d4ac", "#a219e6", "#b3ebef", "#916e46", "#c7ea3e")
GROUND = {"light": "#fbfaf8", "dark": "#16181c"}


def css_variables(colours: Sequence[str]) -> str:
    """Return the colours as CSS variables ``--c0``, ``--c1`` and so on."""
    return " ".join(f"--c{n}: {colour};" for n, colour in enumerate(colours))


def colour_classes(recipes: Sequence[str], *, control: str) -> Mapping[str, str]:
    """Return the CSS class of each recipe: ``c0`` for the control, then by place.

    With more recipes than colours these come again, as outlines (class ``again``).
    """
    others = [recipe for recipe in dict.fromkeys(recipes) if recipe != control]
    n = len(LIGHT) - 1
    found = {recipe: f"c{1 + k % n}{' again' * (k >= n)}" for k, recipe in enumerate(others)}
    return {control: "c0", **found}
