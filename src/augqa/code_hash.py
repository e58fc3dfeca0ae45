"""What the result of a stage depends on in code: its script and every module behind it.

DVC hashes files and does not follow imports. Here a script's imports are followed, and each module
is hashed without comments, docstrings and layout: a word in a comment trains no reader again, and
a module that a stage does not import is none of its business.
"""

import ast
import hashlib
import io
import re
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from augqa.errors import DataError

# They refuse, load, show and report; no result depends on them. The values of params.yaml are
# tracked key by key, and what tracking writes goes to MLflow alone.
REPORTING = frozenset(
    {
        "augqa.errors",
        "augqa.params",
        "augqa.params_text",
        "augqa.report.gate_page",
        "augqa.schema",
        "augqa.stage",
        "augqa.terminal",
        "augqa.timing",
        "augqa.tracking",
    }
)
# Whoever imports it looks things up in a catalogue, to which a plug-in may add.
CATALOGUE = "augqa.registry"

# The light entry of a catalogue names its implementation so; see augqa.registry.resolve.
_TARGET = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+:[A-Za-z_]\w*")
_LAYOUT = frozenset({tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER})
# From Python 3.12 on an f-string is a sequence of tokens, before it is one.
_FSTRING_START = getattr(tokenize, "FSTRING_START", -1)
_FSTRING_END = getattr(tokenize, "FSTRING_END", -1)


def code_hash(source: str) -> str:
    """Return a hash of Python code that comments, docstrings and layout do not change.

    The same for every version of Python that can read the code.

    Raises:
        SyntaxError: If it is not Python.
    """
    skipped = {
        (node.value.lineno, node.value.col_offset)
        for node in ast.walk(ast.parse(source))
        # A string that stands alone is a docstring, or has no effect.
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }
    lines = source.splitlines(keepends=True)
    parts: list[str] = []
    for token in _whole_strings(tokenize.generate_tokens(io.StringIO(source).readline), lines):
        kind, text, start = token
        if kind in _LAYOUT:
            continue
        line, column = start
        offset = len(lines[line - 1][:column].encode()) if line <= len(lines) else column
        if kind == tokenize.STRING and (line, offset) in skipped:
            continue
        if kind == tokenize.INDENT:
            text = ">"
        elif kind == tokenize.DEDENT:
            text = "<"
        elif kind == tokenize.NEWLINE:
            text = "\n"
            # The line that a docstring stood on.
            if parts and parts[-1] in ("\n", ">", "<"):
                continue
        parts.append(text)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _whole_strings(
    tokens: Iterable[tokenize.TokenInfo], lines: Sequence[str]
) -> Iterator[tuple[int, str, tuple[int, int]]]:
    depth, start = 0, (0, 0)
    for token in tokens:
        if token.type == _FSTRING_START:
            if depth == 0:
                start = token.start
            depth += 1
        elif token.type == _FSTRING_END:
            depth -= 1
            if depth == 0:
                yield tokenize.STRING, _between(lines, start, token.end), start
        elif depth == 0:
            yield token.type, token.string, token.start


def _between(lines: Sequence[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    (first, left), (last, right) = start, end
    if first == last:
        return lines[first - 1][left:right]
    middle = lines[first : last - 1]
    return "".join([lines[first - 1][left:], *middle, lines[last - 1][:right]])


def code_behind(
    script: Path, *, roots: Sequence[Path], plugins: Sequence[str] = ()
) -> dict[str, str]:
    """Return the hash of a script and of every module that it imports, by name, sorted.

    Files beside the modules of a package, such as prompts, count as they stand.

    Args:
        script: The script of a stage.
        roots: Folders in which modules are looked for; what lies elsewhere is a library.
        plugins: Modules that add to catalogues: they count where a catalogue is imported.

    Raises:
        DataError: If a file is not Python, or a plug-in lies in none of the folders.
    """
    found = {script.name: _hash(script)}
    todo = sorted(_imports(script))
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        if name in seen or any(f"{name}.".startswith(f"{other}.") for other in REPORTING):
            continue
        seen.add(name)
        if name == CATALOGUE:
            for plugin in plugins:
                if _file(plugin, roots) is not None:
                    todo.append(plugin)
        path = _file(name, roots)
        if path is None:
            continue
        found[name] = _hash(path)
        todo += sorted(_imports(path))
        # A package runs before what lies in it.
        if "." in name:
            todo.append(name.rpartition(".")[0])
        if path.name == "__init__.py":
            for other in sorted(path.parent.iterdir()):
                if other.is_file() and other.suffix not in (".py", ".pyc"):
                    key = f"{name.replace('.', '/')}/{other.name}"
                    found[key] = hashlib.sha256(other.read_bytes()).hexdigest()
    return dict(sorted(found.items()))


def _file(name: str, roots: Sequence[Path]) -> Path | None:
    for root in roots:
        place = root.joinpath(*name.split("."))
        for path in (place / "__init__.py", place.with_suffix(".py")):
            if path.is_file():
                return path
    return None


def _hash(path: Path) -> str:
    try:
        return code_hash(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError, tokenize.TokenError) as error:
        raise DataError(f"{path}: not Python: {error}") from error


def _imports(path: Path) -> set[str]:
    """Return the names of modules, and of what may be one, that a file imports."""
    found: set[str] = set()
    todo: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) in (
            "TYPE_CHECKING",
            "typing.TYPE_CHECKING",
        ):
            todo += node.orelse
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and _TARGET.fullmatch(node.value)
        ):
            found.add(node.value.partition(":")[0])
        todo += ast.iter_child_nodes(node)
    return found
