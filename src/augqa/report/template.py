"""Pages that need nothing beside them: no script, no font, no network.

Only this module imports jinja2. Every value is escaped; the content policy in the templates lets
nothing run or load, even where a value would get past that.
"""

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from augqa.files import write_whole
from augqa.report.numbers import NONE, number, signed
from augqa.report.palette import DARK, LIGHT, css_variables

# Control characters other than tab and line break; and halves of surrogate pairs, which UTF-8
# cannot hold. A browser shows nothing for the first, and a file cannot be written with the second.
_UNSHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def tick_words(value: float) -> str:
    """Return a tick of an axis as text: no more digits than it needs."""
    text = f"{value:,.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:,.0f}"
    return text.replace("-", "−")


_environment = Environment(
    loader=PackageLoader("augqa.report", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_environment.globals["light"] = css_variables(LIGHT)
_environment.globals["dark"] = css_variables(DARK)
_environment.filters["tick"] = tick_words
_environment.filters["score"] = number
_environment.filters["signed"] = lambda value: (
    NONE if value is None else signed(value).replace("-", "−")
)


def render(template: str, **values: Any) -> str:
    """Return a page made of a template of this package."""
    return _UNSHOWN.sub("\ufffd", _environment.get_template(template).render(**values))


def write_page(path: Path, text: str) -> None:
    """Write a page; a crash leaves the former one or none.

    Raises:
        DataError: If it cannot be written.
    """
    write_whole(path, text)
