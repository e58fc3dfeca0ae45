"""Experiments that DVC keeps, put into one study: scores are read from their git refs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from pydantic import TypeAdapter

from augqa.blends import KINDS, Recipe
from augqa.errors import DataError
from augqa.metrics import Metrics
from augqa.schema import Name
from augqa.yaml_text import YamlFault, parse_yaml

_FAULTS = (OSError, DvcException, ValueError, KeyError, TypeError, RecursionError, YamlFault)
_NAMES, _SEEDS = TypeAdapter(list[Name]), TypeAdapter(list[int])


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was measured at one git ref.

    Attributes:
        name: Of the experiment; empty for the workspace's commit.
        runs: Folder of scores by recipe and training seed.
        recipes: Knobs by recipe.
        training_sets: ``n_real`` and ``n_generated`` by recipe.
        keys: Key of each training, by recipe and training seed.
        missing: Runs without scores, such as ``mix-2``.
    """

    name: str
    runs: Mapping[tuple[str, int], Path]
    recipes: Mapping[str, Recipe]
    training_sets: Mapping[str, Metrics]
    keys: Mapping[tuple[str, int], str]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Runs of several experiments as recipes of one study.

    Attributes:
        runs: Folder of scores by recipe and training seed; a recipe that another experiment has
            changed bears its name behind an @.
        recipes: Knobs by the same names.
        training_sets: Sizes by the same names.
        missing: What failed or did not run, in words.
    """

    runs: dict[tuple[str, int], Path] = field(default_factory=dict)
    recipes: dict[str, Recipe] = field(default_factory=dict)
    training_sets: dict[str, Metrics] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


@contextmanager
def fetched(revs: Mapping[str, str | None], repo: str = ".") -> Iterator[list[Kept]]:
    """Bring scores and sizes of each git ref to a temporary folder.

    Args:
        revs: Git ref of each experiment by name; None for the files of the workspace.
        repo: The repository.

    Raises:
        DataError: If a ref has no params.
    """
    with TemporaryDirectory(prefix="augqa-gather-") as folder:
        yield [
            _fetch(name, rev, Path(folder) / str(n), repo)
            for n, (name, rev) in enumerate(revs.items())
        ]


def together(kept: Sequence[Kept]) -> Gathered:
    """Return the runs of all as one study: a training that several have counts once.

    The first one gives the names; a training is known again by its key.
    """
    made = Gathered(
        missing=tuple(
            f"{run} of {one.name or 'the workspace'}" for one in kept for run in one.missing
        )
    )
    seen: set[str] = set()
    for one in kept:
        for (recipe, seed), folder in one.runs.items():
            if one.keys[recipe, seed] in seen:
                continue
            seen.add(one.keys[recipe, seed])
            name = f"{recipe}@{one.name}" if one.name else recipe
            made.runs[name, seed] = folder
            made.recipes[name] = one.recipes[recipe]
            made.training_sets[name] = one.training_sets[recipe]
    return made


def _fetch(name: str, rev: str | None, folder: Path, repo: str) -> Kept:
    files = DVCFileSystem(repo, rev=rev) if rev else DVCFileSystem(repo)
    where = f"experiment {name}" if name else "the workspace"
    try:
        params = parse_yaml(files.read_text("params.yaml"))
        # They become names of folders, and the experiment may be anybody's.
        names = ["real", *_NAMES.validate_python(params["regimes"])]
        seeds = _SEEDS.validate_python(params["training_seeds"])
        recipes = {
            recipe: KINDS.get(params["blend"][recipe]["kind"]).knobs.model_validate(
                params["blend"][recipe]
            )
            for recipe in names
        }
    except _FAULTS as error:
        raise DataError(f"{where}: its params.yaml cannot be read: {error}") from error
    runs, keys, sizes, missing = {}, {}, {}, []
    for recipe in names:
        for seed in seeds:
            run = f"{recipe}-{seed}"
            target = folder / run
            try:
                sizes[recipe] = _json(files, f"metrics/blend/{recipe}.json")
                key = str(_json(files, f"metrics/evaluate/{run}.json")["run_key"])
                target.parent.mkdir(parents=True, exist_ok=True)
                files.get(f"data/predictions/{run}/scores", str(target), recursive=True)
            except _FAULTS:
                # It failed, or its scores were never pushed: it is named where the rest is shown.
                missing.append(run)
                continue
            runs[recipe, seed], keys[recipe, seed] = target, key
    return Kept(
        name=name,
        runs=runs,
        recipes=recipes,
        training_sets=sizes,
        keys=keys,
        missing=tuple(missing),
    )


def _json(files: Any, path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files.read_text(path))
    return found
