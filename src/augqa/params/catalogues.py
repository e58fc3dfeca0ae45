"""Sections whose keys come from a catalogue, plug-ins included."""

from typing import Any

from pydantic import (
    GetCoreSchemaHandler,
    create_model,
)
from pydantic_core import core_schema

from augqa import filters
from augqa.blends import KINDS
from augqa.errors import ParamsError
from augqa.registry import Registry


class Sections:
    """Adds to a section a key for each entry of a catalogue that has settings of its own."""

    def __init__(self, registry: Registry[Any]) -> None:
        self._registry = registry

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        keys: dict[str, Any] = {
            entry.name: (entry.settings, ...)
            for entry in self._registry
            if entry.settings is not None
        }
        return handler.generate_schema(create_model(source.__name__, __base__=source, **keys))


def registered(registry: Registry[Any], name: str) -> str:
    """Return a name that is registered; a ValueError, as pydantic wants it, lists the others."""
    try:
        registry.get(name)
    except ParamsError as error:
        raise ValueError(str(error)) from error
    return name


class ByKind:
    """Validates an entry by the schema that its `kind` has in a catalogue, plug-ins included."""

    def __get_pydantic_core_schema__(
        self, _source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.tagged_union_schema(
            {kind.name: handler.generate_schema(kind.knobs) for kind in KINDS},
            discriminator="kind",
        )


class OfFilters:
    """Validates a section by the keys of all filters, plug-ins included."""

    def __get_pydantic_core_schema__(
        self, _source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return handler.generate_schema(filters.schema())
