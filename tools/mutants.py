"""Change the pure modules in small ways, one at a time, and see whether their tests notice.

    python tools/mutants.py --n 150 --seed 1              a sample over all modules
    python tools/mutants.py --only overlap --n 40         of modules whose path holds a word

A mutant that no test notices is printed with its line: either the tests have a gap, or the change
means nothing. Each runs in a fork of this process, in which the heavy libraries are loaded, and
runs the test files of its module alone. Nothing is written into the source tree.
"""

import argparse
import ast
import contextlib
import copy
import functools
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import random
import resource
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
LIMIT_S = 120  # of the processor, for one mutant; one that goes on for ever counts as noticed
HEAVY = (
    *("numpy", "scipy.stats", "pandas", "pyarrow.parquet", "pydantic", "yaml", "regex"),
    *("hypothesis", "statsmodels.api", "torch", "transformers", "openai", "sklearn.linear_model"),
)

# The test files of a module, by their names below tests/ without test_ and .py.
TESTS = {
    "cleaning": "cleaning",
    "evidence/comparisons": "evidence_comparisons evidence_gathering",
    "evidence/contrast": "evidence_contrast evidence_curves evidence_coverage",
    "evidence/curves": "evidence_curves",
    "evidence/gathering": "evidence_gathering evidence_comparisons",
    "evidence/ratio": "evidence_ratio",
    "evidence/scores": "evidence_scores",
    "evidence/verdict": "evidence_verdict",
    "filters/alone": "filters filter_pairs",
    "filters/among": "filters_among filter_pairs",
    "filters/deciding": "filters filters_among filter_pairs",
    "filters/wording": "filters pointing garbling",
    "formats/offsets": "format_faults formats",
    "formats/placing": "format_faults formats",
    "garbling": "garbling",
    "ids": "ids",
    "llm/cost": "llm_limits llm_reading llm",
    "llm/limiter": "llm_limits llm_waits",
    "llm/waits": "llm_waits",
    "markdown": "markdown",
    "overlap": "overlap planted_leaks",
    "pointing": "pointing",
    "sampling": "sampling",
    "scoring": "scoring",
    "sentences": "sentences spans",
    "spans": "spans",
    "whole_articles": "whole_articles",
}

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
}
_CALLED = {"min": "max", "max": "min", "any": "all", "all": "any", "floor": "ceil", "ceil": "floor"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of a module: the number of the node in the walk, and which of its changes."""

    module: str
    node: int
    change: int
    line: int
    words: str


def changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield what a node may be changed to, with a word for it."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in _COMPARED:
            new = copy.deepcopy(node)
            new.ops = [_COMPARED[type(op)]()]
            yield f"{type(op).__name__} to {type(new.ops[0]).__name__}", new
        case ast.BinOp(op=op) if type(op) in _COMPUTED and not _is_text(node):
            new = copy.deepcopy(node)
            new.op = _COMPUTED[type(op)]()
            yield f"{type(op).__name__} to {type(new.op).__name__}", new
        case ast.AugAssign(op=op) if type(op) in _COMPUTED:
            new = copy.deepcopy(node)
            new.op = _COMPUTED[type(op)]()
            yield f"{type(op).__name__} to {type(new.op).__name__}", new
        case ast.BoolOp(op=op):
            new = copy.deepcopy(node)
            new.op = ast.And() if isinstance(op, ast.Or) else ast.Or()
            yield f"{type(op).__name__} to {type(new.op).__name__}", new
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "no not", operand
        case ast.Constant(value=bool(value)):
            yield f"{value} to {not value}", ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield f"{value} to {value + 1}", ast.Constant(value + 1)
        case ast.Call(func=ast.Name(id=name)) if name in _CALLED:
            new = copy.deepcopy(node)
            new.func = ast.Name(_CALLED[name], ast.Load())
            yield f"{name} to {_CALLED[name]}", new
        case ast.If(test=test):
            new = copy.deepcopy(node)
            new.test = ast.UnaryOp(ast.Not(), test)
            yield "if to if not", new
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield "return None", ast.Return(ast.Constant(None))
        case ast.Continue():
            yield "continue to break", ast.Break()
        case ast.Expr(value=ast.Call()):
            yield "no call", ast.Pass()


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(isinstance(s, ast.JoinedStr) or _constant(s, str) for s in sides)


def _constant(node: ast.AST, kind: type) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, kind)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that may be changed: none of types, decorators, messages and catalogues."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.Raise | ast.JoinedStr) or not isinstance(child, ast.AST):
                continue
            yield child
            yield from nodes(child)


def mutants(module: str) -> list[Mutant]:
    """Return all mutants of a module."""
    return [
        Mutant(module, number, which, getattr(node, "lineno", 0), words)
        for number, node in enumerate(nodes(_tree(module)))
        for which, (words, _) in enumerate(changes(node))
    ]


def changed(mutant: Mutant) -> ast.Module:
    """Return the code of a module with one change."""
    return with_change(_tree(mutant.module), mutant.node, mutant.change)


def with_change(tree: ast.Module, number: int, which: int) -> ast.Module:
    """Return code in which one of its nodes, by its number in `nodes`, is changed."""
    old = next(node for place, node in enumerate(nodes(tree)) if place == number)
    _, new = list(changes(old))[which]

    class Swap(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            return ast.copy_location(new, node) if node is old else self.generic_visit(node)

    swapped: ast.Module = ast.fix_missing_locations(Swap().visit(tree))
    return swapped


def _tree(module: str) -> ast.Module:
    return ast.parse(_source(module))


@functools.cache
def _source(module: str) -> str:
    # Once: whoever goes on working on the code must not move the places of the mutants.
    return _path(module).read_text(encoding="utf-8")


def _path(module: str) -> Path:
    return ROOT / "src/augqa" / f"{module}.py"


class _Loader(importlib.abc.Loader):
    def __init__(self, tree: ast.Module, path: Path) -> None:
        self._code = compile(tree, str(path), "exec")

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, name: str, loader: _Loader, path: Path) -> None:
        self._name, self._loader, self._where = name, loader, path

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_loader(fullname, self._loader, origin=str(self._where))


def noticed(module: str, tree: ast.Module | None) -> bool:
    """Return whether the tests of a module fail, or hang, in a fork with this code in its place."""
    child = os.fork()
    if child == 0:
        _run(module, tree)
    _, status = os.waitpid(child, 0)
    return status != 0


def _run(module: str, tree: ast.Module | None) -> None:
    """Run the tests in a forked child; never returns."""
    code = 1
    with contextlib.suppress(BaseException):
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S))
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        if tree is not None:
            name = f"augqa.{module.replace('/', '.')}"
            sys.meta_path.insert(0, _Finder(name, _Loader(tree, _path(module)), _path(module)))
        import hypothesis  # noqa: PLC0415 - loaded already
        import pytest  # noqa: PLC0415 - each fork has its own

        # The same cases each time, and no bound on their seconds: a busy machine is no finding.
        hypothesis.settings.register_profile(
            "mutants", deadline=None, derandomize=True, database=None
        )
        hypothesis.settings.load_profile("mutants")

        files = [f"tests/test_{name}.py" for name in TESTS[module].split()]
        code = int(pytest.main([*files, "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]))
    os._exit(code)


def main() -> None:
    """Try a sample; print each mutant that lived, then the counts as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="a word in the path of the modules")
    options = parser.parse_args()
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
    for name in HEAVY:
        importlib.import_module(name)
    modules = [module for module in TESTS if options.only in module]
    found = [mutant for module in modules for mutant in mutants(module)]
    sample = random.Random(options.seed).sample(found, min(options.n, len(found)))
    sound: dict[str, bool] = {}
    lived = 0
    for number, mutant in enumerate(sample, 1):
        if mutant.module not in sound:
            sound[mutant.module] = not noticed(mutant.module, None)
            if not sound[mutant.module]:
                _say(f"{mutant.module}: its tests fail without a change")
        if sound[mutant.module] and not noticed(mutant.module, changed(mutant)):
            lived += 1
            line = _source(mutant.module).splitlines()[mutant.line - 1]
            _say(f"lived: {mutant.module}:{mutant.line}: {mutant.words}: {line.strip()}")
        if number % 5 == 0:
            _say(f"{number} of {len(sample)}, {lived} lived")
    tried = sum(sound[mutant.module] for mutant in sample)
    _say(json.dumps({"mutants": len(found), "tried": tried, "killed": tried - lived}))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
