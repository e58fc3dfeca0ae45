"""The parts of the docs that repeat code: made from it, between two comments in the Markdown.

<!-- augqa docs: recipes -->
...
<!-- end -->
"""

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from augqa.blends import KINDS
from augqa.errors import DataError
from augqa.filters import FILTERS
from augqa.registry import resolve

_BLOCK = re.compile(r"(<!-- augqa docs: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def with_blocks(text: str, *, where: str) -> str:
    """Return a page with every block made anew.

    Raises:
        DataError: If it asks for a block that there is none of.
    """

    def made(found: re.Match[str]) -> str:
        head, name, _, end = found.groups()
        if name not in BLOCKS:
            raise DataError(f"{where}: no block {name!r}: choose one of {', '.join(BLOCKS)}")
        return f"{head}{BLOCKS[name]()}{end}"

    return _BLOCK.sub(made, text)


def recipes() -> str:
    """Return a table of the kinds of recipes with their knobs."""
    lines = ["| kind | training set | knobs |", "|---|---|---|"]
    for kind in KINDS:
        knobs = []
        for name, field in kind.knobs.model_fields.items():
            if name != "kind":
                knobs.append(f"`{name}`" if field.is_required() else f"`{name}` (optional)")
        lines.append(f"| `{kind.name}` | {kind.about} | {', '.join(knobs)} |")
    return "\n".join(lines) + "\n"


def filters() -> str:
    """Return a table of the filters: the reasons they give, and the key that loosens each."""
    lines = ["| reason | dropped is | key of `filter_pairs` |", "|---|---|---|"]
    for entry in FILTERS:
        reasons = ", ".join(f"`{reason}`" for reason in entry.reasons)
        keys = ", ".join(
            f"`{key}`" for key in dict.fromkeys(entry.reasons.values()) if key is not None
        )
        about = inspect.getdoc(entry.alone or entry.among) or ""
        what = " ".join(about.split("\n\n")[0].split()).removeprefix("Drop ").rstrip(".")
        lines.append(f"| {reasons} | {re.sub(r' [(]see `[^`]*`[)]', '', what)} | {keys or '–'} |")
    return "\n".join(lines) + "\n"


def gates() -> str:
    """Return the tables of what each table promises; Great Expectations takes seconds to import."""
    tables: str = resolve("augqa.expectations.listing:table")()
    return tables


def params() -> str:
    """Return a table of the keys of params.yaml, with the values and comments of the default."""
    lines = ["| key | default | |", "|---|---|---|"]
    path: list[str] = []
    for line in Path("profiles/embedded.yaml").read_text(encoding="utf-8").splitlines():
        found = re.fullmatch(r"( *)([\w-]+):(?: ([^#]*?))?(?: +# (.*))?", line)
        if found is None:
            continue
        indent, key, value, comment = found.groups()
        path = [*path[: len(indent) // 2], key]
        if value or comment:
            shown = f"`{value}`" if value else ""
            about = (comment or "").replace("|", "or")
            lines.append(f"| `{'.'.join(path)}` | {shown.replace('|', 'or')} | {about} |")
    return "\n".join(lines) + "\n"


def modules() -> str:
    """Return a table of the modules and folders of the package, by what they say of themselves."""
    lines = ["| in `src/augqa/` | what it is |", "|---|---|"]
    root = Path("src/augqa")
    for path in sorted(root.iterdir(), key=lambda path: path.stem):
        file = path / "__init__.py" if path.is_dir() else path
        if file.suffix != ".py" or not file.is_file() or path.name == "__init__.py":
            continue
        about = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        name = f"{path.name}/" if path.is_dir() else path.name
        what = " ".join(about.split("\n\n")[0].split()).replace("|", "or")
        lines.append(f"| `{name}` | {what} |")
    return "\n".join(lines) + "\n"


def stages() -> str:
    """Return a table of the stages of dvc.yaml: what each does and what it writes."""
    lines = ["| stage | does | writes |", "|---|---|---|"]
    for name, entry in _pipeline().items():
        outs = [f"`{out}`" for out in _paths(entry.get("outs", []) + entry.get("metrics", []))]
        lines.append(f"| {name} | {entry['desc']} | {', '.join(outs)} |")
    return "\n".join(lines).replace("${item.", "{").replace("${key}", "{table}") + "\n"


def picture() -> str:
    """Return the pipeline as a Mermaid graph: an arrow where a stage reads what another writes.

    Gates and the hashes of code stand before almost every stage and are left out.
    """
    pipeline = {name: e for name, e in _pipeline().items() if name != "hash_code"}
    made = {
        path: name
        for name, entry in pipeline.items()
        for path in _paths(entry.get("outs", []) + entry.get("metrics", []))
    }
    arrows: dict[str, None] = {}
    for name, entry in pipeline.items():
        for path_read in _paths(entry.get("deps", [])):
            # The first training seed's is one of those that a matrix makes.
            dep = path_read.replace("${training_seeds[0]}", "${item.seed}")
            for path, maker in made.items():
                inside = dep == path or dep.startswith(f"{path}/") or path.startswith(f"{dep}/")
                gate = maker.startswith("validate") or name.startswith("validate")
                if inside and maker != name and not gate:
                    arrows[f"    {maker} --> {name}"] = None
    return "\n".join(["```mermaid", "flowchart TD", *arrows, "```"]) + "\n"


def _pipeline() -> dict[str, Any]:
    stages: dict[str, Any] = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return {name: entry.get("do", entry) for name, entry in stages.items()}


def _paths(entries: list[Any]) -> list[str]:
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


BLOCKS: Mapping[str, Callable[[], str]] = {
    "filters": filters,
    "gates": gates,
    "modules": modules,
    "params": params,
    "picture": picture,
    "recipes": recipes,
    "stages": stages,
}
