"""The text of a params file: read with suspicion, and changed without touching what is beside."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from augqa.errors import ParamsError

# A params file is a page or two. What is beyond these is a mistake, and would cost time and memory.
_MAX_BYTES = 1_000_000
_MAX_DEPTH = 50
_MAX_VALUES = 50_000  # after aliases are followed
# Of one message: characters of a value, of a fault, and faults.
_SHOWN_VALUE = 200
_SHOWN_FAULT = 600
_SHOWN_FAULTS = 30
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\x00\x00\xfe\xff": "UTF-32"}


class _Fault(Exception):
    """What is wrong, and on which line."""

    def __init__(self, node: yaml.Node, what: str) -> None:
        super().__init__(f"line {node.start_mark.line + 1}: {what}")


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, with a depth that it does not pass and without keys that stand twice."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            line = self.line + 1
            raise yaml.YAMLError(f"line {line}: nested more than {_MAX_DEPTH} deep")
        try:
            node: yaml.Node | None = super().compose_node(parent, index)
        finally:
            self._depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except ValueError as error:
            raise _Fault(node, f"{_cut(str(node.value))} is no value: {error}") from error


def read_yaml(path: Path) -> Any:
    """Return what a params file holds, as plain values.

    Raises:
        ParamsError: If it is missing, a folder, too large, not UTF-8 or not YAML, is nested without
            end, has a key twice or a value that is none, or holds anything but keys.
    """
    text = _text(path)
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None:
            _measure(node, {}, set())
        values = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise ParamsError(f"{path}: {line}not YAML: {_cut(said)}") from error
    except yaml.YAMLError as error:
        raise ParamsError(f"{path}: not YAML: {_cut(' '.join(str(error).split()))}") from error
    except _Fault as error:
        raise ParamsError(f"{path}: {error}") from error
    except RecursionError as error:
        raise ParamsError(f"{path}: not YAML: nested too deep") from error
    finally:
        if loader is not None:
            loader.dispose()
    if values is None:
        raise ParamsError(f"{path}: is empty. `make profile NAME=embedded` puts one in force.")
    if not isinstance(values, dict):
        raise ParamsError(f"{path}: holds a {type(values).__name__}, not keys with values")
    return values


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise ParamsError(
            f"{path}: no such file. `make profile NAME=embedded` puts one in force."
        ) from error
    except IsADirectoryError as error:
        raise ParamsError(f"{path}: is a folder, and should be a file") from error
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > _MAX_BYTES:
        raise ParamsError(f"{path}: has {len(content):,} bytes; params take a page or two")
    for mark, name in _BOMS.items():
        if content.startswith(mark):
            raise ParamsError(f"{path}: is {name}: save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ParamsError(
            f"{path}: line {line}: not UTF-8: byte 0x{content[error.start]:02x}. Save it as UTF-8."
        ) from error


def _measure(node: yaml.Node, sizes: dict[int, int], above: set[int]) -> int:
    """Return the number of values below a node, aliases followed; refuse too many, and double keys.

    Each node is visited once, however many aliases lead to it.
    """
    if id(node) in above:
        raise _Fault(node, "an alias leads back to what it stands in")
    if id(node) in sizes:
        return sizes[id(node)]
    below: Iterable[yaml.Node] = ()
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen and key.value != "<<":
                    raise _Fault(key, f"key {_cut(key.value)!r} stands twice")
                seen.add(key.value)
        below = [one for pair in node.value for one in pair]
    elif isinstance(node, yaml.SequenceNode):
        below = node.value
    above.add(id(node))
    size = 1 + sum(_measure(one, sizes, above) for one in below)
    above.discard(id(node))
    if size > _MAX_VALUES:
        raise _Fault(node, f"aliases make more than {_MAX_VALUES:,} values of it")
    sizes[id(node)] = size
    return size


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
        raise ParamsError(f"{key}: no such key with a plain value")
    return f"{text[: node.start_mark.index]}{value}{text[node.end_mark.index :]}"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `` - did you mean ...?`` where a known word is near, else nothing."""
    found = difflib.get_close_matches(word[:100], list(known), n=1)
    return f" - did you mean {found[0]!r}?" if found else ""


def fault_lines(error: ValidationError, values: Any, where: str) -> str:
    """Return every fault of a params file, one a line, each with its key and the value found."""
    found = error.errors(include_url=False)
    missing = [str(one["loc"][-1]) for one in found if one["type"] == "missing" and one["loc"]]
    faults = [_fault(dict(one), _place(one["loc"], values), missing) for one in found]
    more = len(faults) - _SHOWN_FAULTS
    lines = faults[:_SHOWN_FAULTS] + ([f"  and {more} more"] if more > 0 else [])
    return f"{where} has {len(faults)} fault(s):\n" + "\n".join(lines)


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
    key = ".".join(_cut(str(part), 60) for part in place)
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
        found = f", found {_cut(repr(fault['input']))}"
    text = {"missing": "is missing", "extra_forbidden": "is not a known key"}.get(
        fault["type"], fault["msg"].removeprefix("Value error, ")
    )
    if fault["type"] == "extra_forbidden":
        # Every key must be there: whoever misspells one misses it, too.
        found += nearest(str(place[-1]), missing)
    text = _cut(" ".join(text.split()), _SHOWN_FAULT)
    return f"  {key}: {text}{found}" if key else f"  {text}"


def _cut(text: str, length: int = _SHOWN_VALUE) -> str:
    """Return a text that a terminal shows as it is: cut, and without control characters."""
    shown = text if len(text) <= length else f"{text[:length]}... ({len(text):,} characters)"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)
