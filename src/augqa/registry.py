"""Catalogues that a plug-in can add to: kinds of recipes, filters, generators, writers.

An entry is light: it carries a name and the schema of its knobs, and names a heavy implementation
by a string, so that params.yaml can be checked without importing torch.
"""

import importlib
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from augqa.errors import ParamsError


class Named(Protocol):
    """An entry of a catalogue."""

    @property
    def name(self) -> str:
        """The name by which params.yaml asks for it."""


E = TypeVar("E", bound=Named)


class Registry(Generic[E]):
    """One catalogue, in the order in which its entries were registered.

    Args:
        what: What an entry is, in the singular, for messages: ``kind of recipe``.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._entries: dict[str, E] = {}

    def register(self, entry: E) -> E:
        """Add an entry; the same one again changes nothing.

        Raises:
            ParamsError: If another entry has its name.
        """
        known = self._entries.get(entry.name)
        if known is not None and known != entry:
            raise ParamsError(f"{self._what} {entry.name!r} is registered twice")
        self._entries[entry.name] = entry
        return entry

    def unregister(self, name: str) -> None:
        """Take an entry out again, as a test of a plug-in must."""
        self._entries.pop(name, None)

    def get(self, name: str) -> E:
        """Return the entry of a name.

        Raises:
            ParamsError: If there is none; the message lists those that there are.
        """
        if name not in self._entries:
            raise ParamsError(
                f"no {self._what} {name!r}: choose one of {', '.join(self._entries)},"
                " or name the module that adds it in `plugins`"
            )
        return self._entries[name]

    def names(self) -> tuple[str, ...]:
        """Return the names, in the order of registration."""
        return tuple(self._entries)

    def __iter__(self) -> Iterator[E]:
        return iter(self._entries.values())

    def __contains__(self, name: object) -> bool:
        return name in self._entries


_loaded: dict[str, None] = {}


def loaded_plugins() -> list[str]:
    """Return the modules that were imported as plug-ins, for a process that needs them, too."""
    return [name for name in _loaded if name in sys.modules]


def load_plugins(names: Iterable[str], *, folder: Path = Path("plugins")) -> None:
    """Import the modules that params.yaml names: they register what they add.

    Args:
        names: Modules in `folder`, or installed ones.
        folder: Where modules of the user's own lie; the repository tracks it.

    Raises:
        ParamsError: If one is not there or cannot be imported.
    """
    for name in names:
        if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", name):
            raise ParamsError(f"plugins: {name!r} is not the name of a module")
        place = str(folder.resolve())
        if folder.is_dir() and place not in sys.path:
            sys.path.insert(0, place)
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name.split(".")[0] and error.name != name:
                raise ParamsError(f"plugins: {name} needs {error.name}: {error}") from error
            raise ParamsError(
                f"plugins: no module {name!r} in {folder}/, nor is one installed"
            ) from error
        except (ImportError, SyntaxError) as error:
            raise ParamsError(f"plugins: {name} cannot be imported: {error}") from error
        _loaded[name] = None


def resolve(target: str) -> Any:
    """Import what a string such as ``"augqa.question_generator.seq2seq:load"`` names.

    Raises:
        ParamsError: If there is no such module or no such name in it.
    """
    module, _, name = target.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise ParamsError(f"{target}: not to be found: {error}") from error
