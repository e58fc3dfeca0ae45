"""YAML of others: parsed with suspicion, within bounds, every fault as one short line."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

# A params file is a page or two. What is beyond these is a mistake, and would cost time and memory.
_MAX_BYTES = 1_000_000
_MAX_VALUES = 50_000  # after aliases are followed
_MAX_DEPTH = 50
# Whole numbers that the rest of the program, and every file format, can hold.
_MAX_BITS = 64
_SHOWN = 200
# What PyYAML's scanner and constructors raise beside errors of their own, for a number of 5,000
# digits, `!!timestamp x`, `!!bool x`, `!!int ""` and escapes beyond Unicode.
_STRAY = (ValueError, ArithmeticError, LookupError, AttributeError, TypeError)
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\x00\x00\xfe\xff": "UTF-32"}


class YamlFault(Exception):
    """What is wrong, and on which line where that is known."""


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, with bounds that it does not pass."""

    def __init__(self, stream: str, max_values: int) -> None:
        super().__init__(stream)
        self._depth = 0
        self._n_nodes = 0
        self._max_values = max_values

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        self._n_nodes += 1
        if self._depth > _MAX_DEPTH:
            raise YamlFault(f"line {self.line + 1}: nested more than {_MAX_DEPTH} deep")
        if self._n_nodes > self._max_values:
            raise YamlFault(f"line {self.line + 1}: more than {self._max_values:,} values")
        try:
            node: yaml.Node | None = super().compose_node(parent, index)
        finally:
            self._depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep=deep)
        except _STRAY as error:
            raise _at(node, f"{cut(str(node.value))} is no value: {_said(error)}") from error
        if isinstance(value, int) and value.bit_length() > _MAX_BITS:
            raise _at(node, f"{cut(str(node.value))} is no value: more than {_MAX_BITS} bits")
        # YAML has no such characters but as escapes, and no file, name or request can hold them.
        if isinstance(value, str) and any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value):
            raise _at(node, f"{cut(value)!r} holds a NUL, or half of a surrogate pair")
        return value


def read_text(path: Path, *, max_bytes: int = _MAX_BYTES) -> str:
    """Return the text of a file, read no further than it may be long.

    Raises:
        OSError: If it cannot be opened or read.
        YamlFault: If it is no ordinary file, too long, or not UTF-8.
    """
    # A pipe would be waited for without end.
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise YamlFault("is no ordinary file")
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
        n_bytes = max(len(content), os.fstat(file.fileno()).st_size)
    if n_bytes > max_bytes:
        raise YamlFault(f"has {n_bytes:,} bytes, more than {max_bytes:,}")
    for mark, name in _BOMS.items():
        if content.startswith(mark):
            raise YamlFault(f"is {name}: save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = content[error.start]
        raise YamlFault(f"line {line}: not UTF-8: byte 0x{found:02x}. Save it as UTF-8.") from error


def parse_yaml(text: str, *, max_values: int = _MAX_VALUES) -> Any:
    """Return what a YAML text holds, as plain values; None for an empty one.

    Args:
        text: One document.
        max_values: More values than these, aliases followed, are refused before they are made.

    Raises:
        YamlFault: If it is not YAML, is nested deeply, or has a key twice, a value that is none, or
            too many values.
    """
    loader = None
    try:
        loader = _Loader(text, max_values)
        node = loader.get_single_node()
        if node is None:
            return None
        _measure(node, {}, set(), max_values)
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise YamlFault(f"{line}not YAML: {cut(said)}") from error
    except yaml.YAMLError as error:
        raise YamlFault(f"not YAML: {cut(' '.join(str(error).split()))}") from error
    except RecursionError as error:
        raise YamlFault("not YAML: nested too deep") from error
    except _STRAY as error:
        line = f"line {loader.line + 1}: " if loader is not None else ""
        raise YamlFault(f"{line}not YAML: {cut(_said(error))}") from error
    finally:
        if loader is not None:
            loader.dispose()


def cut(text: str, length: int = _SHOWN) -> str:
    """Return a text that a terminal shows as it is: cut, and without control characters."""
    shown = text if len(text) <= length else f"{text[:length]}... ({len(text):,} characters)"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)


def _measure(node: yaml.Node, sizes: dict[int, int], above: set[int], max_values: int) -> int:
    """Return the number of values below a node, aliases followed; refuse too many, and double keys.

    Each node is visited once, however many aliases lead to it.
    """
    if id(node) in above:
        raise _at(node, "an alias leads back to what it stands in")
    if id(node) in sizes:
        return sizes[id(node)]
    below: Iterable[yaml.Node] = ()
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen and key.value != "<<":
                    raise _at(key, f"key {cut(key.value)!r} stands twice")
                seen.add(key.value)
        below = [one for pair in node.value for one in pair]
    elif isinstance(node, yaml.SequenceNode):
        below = node.value
    above.add(id(node))
    size = 1 + sum(_measure(one, sizes, above, max_values) for one in below)
    above.discard(id(node))
    if size > max_values:
        raise _at(node, f"aliases make more than {max_values:,} values of it")
    sizes[id(node)] = size
    return size


def _at(node: yaml.Node, what: str) -> YamlFault:
    return YamlFault(f"line {node.start_mark.line + 1}: {what}")


def _said(error: Exception) -> str:
    """Return the words of an error that was meant for people, else that nothing could be made."""
    return str(error) if type(error) is ValueError else "its tag does not fit it"
