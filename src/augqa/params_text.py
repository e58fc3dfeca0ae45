"""The text of a params file: read with suspicion, and changed without touching what is beside."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from augqa.errors import ParamsError
from augqa.yaml_text import YamlFault, cut, parse_yaml, read_text

# Of one message: characters of a fault, and faults.
_SHOWN_FAULT = 600
_SHOWN_FAULTS = 30
_SHOWN_KEYS = 6


def read_yaml(path: Path) -> Any:
    """Return what a params file holds, as plain values.

    Raises:
        ParamsError: If it is missing, a folder, too large, not UTF-8 or not YAML, is nested without
            end, has a key twice or a value that is none, or holds anything but keys.
    """
    try:
        values = parse_yaml(read_text(path))
    except FileNotFoundError as error:
        raise ParamsError(
            f"{path}: no such file. `make profile NAME=embedded` puts one in force."
        ) from error
    except IsADirectoryError as error:
        raise ParamsError(f"{path}: is a folder, and should be a file") from error
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read: {error.strerror}") from error
    except YamlFault as error:
        raise ParamsError(f"{path}: {error}") from error
    if values is None:
        raise ParamsError(f"{path}: is empty. `make profile NAME=embedded` puts one in force.")
    if not isinstance(values, dict):
        raise ParamsError(f"{path}: holds a {type(values).__name__}, not keys with values")
    return values


def dotted(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of nested sections by keys such as ``reader.n_best``."""
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, Mapping):
            flat |= dotted(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def with_value(text: str, key: str, value: int | str) -> str:
    """Return the text of a params file with another value under a dotted key; all else stays.

    Comments, spaces and the form of other values are kept to the byte, so that a diff shows the
    change alone.

    Raises:
        ParamsError: If the text has no such key with a plain value.
    """
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for part in key.split("."):
        children = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((child for name, child in children if name.value == part), None)
    if not isinstance(node, yaml.ScalarNode):
        known = dotted(parse_yaml(text) or {})
        raise ParamsError(f"{key}: no such key with a plain value{nearest(key, known)}")
    return f"{text[: node.start_mark.index]}{value}{text[node.end_mark.index :]}"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `` - did you mean ...?`` where a known word is near, else nothing."""
    found = difflib.get_close_matches(word[:100], list(known), n=1)
    return f" - did you mean {found[0]!r}?" if found else ""


def fault_lines(error: ValidationError, values: Any, where: str) -> str:
    """Return every fault of a params file, one a line, each with its key and the value found."""
    found = error.errors(include_url=False)
    missing = [one["loc"] for one in found if one["type"] == "missing" and one["loc"]]
    faults = [
        _fault(
            dict(one),
            _place(one["loc"], values),
            [str(loc[-1]) for loc in missing if loc[:-1] == one["loc"][:-1]],
        )
        for one in found
    ]
    more = len(faults) - _SHOWN_FAULTS
    lines = faults[:_SHOWN_FAULTS] + ([f"  and {more} more"] if more > 0 else [])
    return f"{where} has {len(faults)} fault(s):\n" + "\n".join(lines)


def other_keys(error: ValidationError, values: Any) -> str:
    """Return which keys of a params file are unknown here and which lack; nothing if none."""
    keys: dict[str, list[str]] = {"extra_forbidden": [], "missing": []}
    for one in error.errors(include_url=False):
        if one["type"] in keys:
            place = _place(one["loc"], values)
            keys[one["type"]].append(".".join(cut(str(part), 60) for part in place))
    said = (("does not know", keys["extra_forbidden"]), ("misses", keys["missing"]))
    return " and ".join(f"{verb} {_some(names)}" for verb, names in said if names)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN_KEYS
    return ", ".join(names[:_SHOWN_KEYS]) + (f" and {more} more" if more > 0 else "")


def _place(loc: Sequence[str | int], values: Any) -> list[str | int]:
    """Return the place of a fault without the schemas that a `kind` has chosen."""
    place: list[str | int] = []
    for number, part in enumerate(loc):
        if isinstance(values, dict) and part not in values and number < len(loc) - 1:
            continue
        place.append(part)
        if isinstance(values, dict):
            values = values.get(part)
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            values = values[part]
    return place


def _fault(fault: dict[str, Any], place: Sequence[str | int], missing: list[str]) -> str:
    key = ".".join(cut(str(part), 60) for part in place)
    if fault["type"].startswith("union_tag"):
        # What tells which schema applies, such as `kind`, is missing or unknown.
        context = fault["ctx"]
        key += f".{context['discriminator'].strip(chr(39))}"
        known = context.get("expected_tags")
        fault["input"] = context.get("tag")
        fault["type"] = "missing" if known is None else "literal_error"
        fault["msg"] = f"must be one of {known}"
    found = ""
    if fault["type"] not in ("missing", "value_error"):
        # A file of a few kilobytes can hold an input of megabytes.
        found = f", found {cut(repr(fault['input']))}"
    text = {"missing": "is missing", "extra_forbidden": "is not a known key"}.get(
        fault["type"], fault["msg"].removeprefix("Value error, ")
    )
    if fault["type"] == "extra_forbidden":
        # Every key must be there: whoever misspells one misses it, too.
        found += nearest(str(place[-1]), missing)
    text = cut(" ".join(text.split()), _SHOWN_FAULT)
    return f"  {key}: {text}{found}" if key else f"  {text}"
