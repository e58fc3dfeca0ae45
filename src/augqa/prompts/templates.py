"""Prompt templates: Markdown files of chat turns with places for values, ours and the user's own.

A line ``[[role]]`` opens a turn, ``{{name}}`` is a place for a value. Values are put in once, as
they stand: braces in them mean nothing, and so do single braces in a template.
"""

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from augqa.errors import ParamsError

Messages = tuple[dict[str, str], ...]

_FOLDER = Path(__file__).parent
_TURN = re.compile(r"^\[\[(system|user|assistant)\]\][^\S\n]*\n", re.MULTILINE)
_PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt template.

    Attributes:
        text: The file's text.
    """

    text: str

    @property
    def sha256(self) -> str:
        """Return the hash of the text."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()

    @property
    def turns(self) -> tuple[tuple[str, str], ...]:
        """Return role and content of each turn."""
        parts = _TURN.split(self.text)
        return tuple(
            (role, content.strip()) for role, content in zip(parts[1::2], parts[2::2], strict=True)
        )

    @property
    def places(self) -> frozenset[str]:
        """Return the names of its places."""
        return frozenset(_PLACE.findall(self.text))

    def render(self, values: Mapping[str, str]) -> Messages:
        """Fill it in one pass, so that a value that looks like a place stays as it is."""
        return tuple(
            {"role": role, "content": _PLACE.sub(lambda match: values[match[1]], content)}
            for role, content in self.turns
        )


@cache
def packaged(name: str) -> Template:
    """Return one of ours, by the name of its file without suffix."""
    return Template((_FOLDER / f"{name}.md").read_text(encoding="utf-8"))


def own_template(
    path: str, *, folder: Path | None, param: str, needed: Collection[str], known: Collection[str]
) -> Template:
    """Return a template of the user's own.

    Args:
        path: As it stands in params.yaml, from the root of the repository.
        folder: The only folder that such files are read from, since DVC tracks it.
        param: The param that names the file, for messages.
        needed: Names of the places that it must have.
        known: Names of all places that it may have.

    Raises:
        ParamsError: If the file is elsewhere, is not there, is no text, or lacks a turn or a
            place, or has a place that nothing fills.
    """
    if folder is None:
        raise ParamsError(f"{param}: {path!r}: the stage was not given a folder of prompts")
    place = Path(path)
    inside = not place.is_absolute() and ".." not in place.parts and place.parts[:-1]
    if not inside or not place.is_relative_to(folder.name):
        raise ParamsError(
            f"{param}: {path!r} is not in {folder.name}/: put the file there, where DVC sees each"
            " change of it"
        )
    file = folder / place.relative_to(folder.name)
    try:
        template = Template(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParamsError(f"{param}: {path}: no such file") from error
    except (OSError, ValueError) as error:
        raise ParamsError(f"{param}: {path}: not a readable text in UTF-8: {error}") from error
    if not any(role == "user" for role, _ in template.turns):
        raise ParamsError(f"{param}: {path}: has no turn: a line [[user]] must open one")
    faults = [f"lacks the place {{{{{name}}}}}" for name in sorted(set(needed) - template.places)]
    unknown = sorted(template.places - set(known))
    faults += [f"has the unknown place {{{{{name}}}}}" for name in unknown]
    if faults:
        names = ", ".join(f"{{{{{name}}}}}" for name in sorted(known))
        raise ParamsError(f"{param}: {path} {' and '.join(faults)}; there are {names}")
    return template
