"""Catalogues of what a user may name in params.yaml, ours and their own."""

import importlib
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from augqa.errors import ParamsError

T = TypeVar("T")


class Registry(Generic[T]):
    """Entries by name.

    Args:
        what: What an entry is, for messages, such as ``question generator``.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._entries: dict[str, T] = {}

    def register(self, name: str, entry: T) -> None:
        """Add an entry.

        Raises:
            ParamsError: If another one has the name.
        """
        if self._entries.get(name, entry) != entry:
            raise ParamsError(f"{self._what} {name!r} is registered twice")
        self._entries[name] = entry

    def get(self, name: str) -> T:
        """Return an entry.

        Raises:
            ParamsError: If there is none of the name.
        """
        if name not in self._entries:
            raise ParamsError(
                f"{name!r} is no {self._what}, expected one of {', '.join(self.names())}"
            )
        return self._entries[name]

    def names(self) -> tuple[str, ...]:
        """Return the names, in the order in which they were registered."""
        return tuple(self._entries)

    def __iter__(self) -> Iterator[tuple[str, T]]:
        return iter(self._entries.items())


def resolve(target: str) -> Any:
    """Return what a string such as ``augqa.question_generator.cloze:load`` names."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
