"""Commands that show and keep results: table, results."""

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from augqa import metric_forms as forms
from augqa.commands.checking import PARAMS, profile_path
from augqa.commands.reporting import CASES, PAGE, write_report
from augqa.errors import DataError, ParamsError
from augqa.explaining import md5_of_outs, read_lock, stage_of
from augqa.files import write_whole
from augqa.params import Params, load_kept_params, load_params
from augqa.programs import asked
from augqa.records import GeneratedContext
from augqa.report.assembling import recipes_of, sets_in_order, write_numbers
from augqa.report.files import measured_in, numbers_in
from augqa.report.kept import assemble_kept
from augqa.report.results import BASELINE
from augqa.report.table import table_text
from augqa.report.template import write_page
from augqa.study.keeping import SCORES, keep_scores, kept_runs
from augqa.study.reading import mentioned_articles, read_study, run_folder
from augqa.tables import iterate_table
from augqa.terminal import say
from augqa.test_sets import reported_sets

RESULTS = Path("docs/results")
METRICS = Path("metrics")

# Stages of single recipes or runs, and the last one: an unfinished study may lack these.
_OF_RUNS = re.compile(r"(blend|validate_blend|train|evaluate)(_real)?(@.+)?|summarize")
# What every recipe of a study is made from, and what its readers are made and measured by.
_SHARED = (
    "data/prepared/pool.parquet",
    "data/prepared/reserve.parquet",
    "data/generated/contexts.parquet",
    "data/generated/pairs.parquet",
    "data/filtered/kept.parquet",
)
_SETTINGS = ("reader", "train", "evaluate", "reproducible")


def table(
    summary: Path = Path("metrics/summary.json"), evidence: Path = Path("metrics/evidence.json")
) -> None:
    """Print the results and what they show again: columns and roles are those of params.yaml."""
    say(_table(summary, evidence))


def results(
    name: str,
    unfinished: Annotated[
        bool,
        typer.Option("--unfinished", help="keep the runs that are there, of a study in parts"),
    ] = False,
    pairs: Annotated[
        bool,
        typer.Option("--pairs", help="also the page of single pairs: it holds texts of your data"),
    ] = False,
) -> None:
    """Keep the run in docs/results/NAME: params, hashes, scores, metrics, table and page.

    Scores are kept question by question, without any text, and runs that were kept before stay.
    """
    path, params = profile_path(name), load_params()
    if path.read_bytes() != PARAMS.read_bytes():
        raise ParamsError(
            f"params.yaml is not {path}: the kept page would name a profile that it was not made"
            f" with. Save your params as {path} first, or keep them under a name of their own"
        )
    folder = RESULTS / name
    runs = _finished(params, unfinished=unfinished)
    if kept_runs(folder, recipes_of(params), params.training_seeds):
        _same_study(folder, params)
    _keep(folder, params, runs)
    if pairs:
        # The page of the run leads back to it under another name.
        cases = Path("report/pairs.html").read_text(encoding="utf-8")
        write_page(folder / CASES, cases.replace('href="index.html"', f'href="{PAGE}"'))
    made = assemble_kept(params, folder)
    numbers = numbers_in(folder / "metrics")
    write_numbers(made, numbers)
    write_report(folder, made)
    write_whole(folder / "table.md", _page_of_table(name, folder))
    n_kept = len(kept_runs(folder, recipes_of(params), params.training_seeds))
    n_all = len(recipes_of(params)) * len(params.training_seeds)
    say(f"{folder} holds {n_kept} of {n_all} runs, {len(runs)} of them from here")


def _finished(params: Params, *, unfinished: bool) -> list[tuple[str, int]]:
    """Return the runs that were made of the params, data and code at hand.

    Raises:
        DataError: If there is none, one is missing and the study is to be finished, or a stage that
            all of them rest on has changed.
    """
    told = asked("dvc", "status", "--json")
    try:
        changed = set(json.loads(told.stdout))
    except json.JSONDecodeError:
        raise DataError(
            f"`dvc status` failed: {told.stderr.strip() or 'it said nothing'}"
        ) from None
    shared = sorted(stage for stage in changed if not _OF_RUNS.fullmatch(stage))
    if shared or (changed and not unfinished):
        some = shared or sorted(changed)
        raise DataError(
            f"`dvc status` shows changes in {len(some)} stages, {some[0]} first: the metrics at"
            " hand are not those of the params, data and code at hand. Run `augqa run` to the end"
            + (" for these first." if shared else " first, or keep what is there: --unfinished.")
        )
    runs = [
        (recipe, seed)
        for recipe in recipes_of(params)
        for seed in params.training_seeds
        if not changed & _stages_of(recipe, seed)
    ]
    if not runs:
        raise DataError(
            "no run has been measured yet. One of them: `augqa run"
            f" evaluate_real@{params.training_seeds[0]}`"
        )
    return runs


def _stages_of(recipe: str, seed: int) -> set[str]:
    """Return the stages that a run is made by, after those that all share."""
    of_recipe = "_real" if recipe == BASELINE else f"@{recipe}"
    return {
        *(f"{step}{of_recipe}" for step in ("blend", "validate_blend")),
        *(stage_of(step, recipe, seed) for step in ("train", "evaluate")),
    }


def _same_study(folder: Path, params: Params) -> None:
    """Refuse to add runs to a kept study that rests on other data or params."""
    before, now = (md5_of_outs(read_lock(path)) for path in (folder / "dvc.lock", Path("dvc.lock")))
    for out in _SHARED:
        if out in before and out in now and before[out] != now[out]:
            raise DataError(
                f"{folder}: its runs rest on {out} with md5 {before[out]}, the runs here on"
                f" {now[out]}. Keep them under another name, or remove the folder."
            )
    kept = load_kept_params(folder / "params.yaml")
    for key in _SETTINGS:
        if getattr(kept, key) != getattr(params, key):
            raise DataError(
                f"{folder}: its runs were made with another section {key} of params.yaml than the"
                " runs here. Keep them under another name, or remove the folder."
            )
    changed = [
        recipe
        for recipe, _ in kept_runs(folder, recipes_of(params), params.training_seeds)
        if kept.blend.get(recipe) != params.blend[recipe]
    ]
    if changed:
        raise DataError(
            f"{folder}: recipe {changed[0]} has other knobs there than here. Give the new one"
            " another name, or remove its scores from the folder."
        )


def _keep(folder: Path, params: Params, runs: list[tuple[str, int]]) -> None:
    """Copy params, hashes and numbers, and the scores of the runs."""
    recipes = list(dict.fromkeys(recipe for recipe, _ in runs))
    predictions, clusters = Path("data/predictions"), Path("data/prepared/clusters")
    test_sets = sets_in_order(params, measured_in(METRICS))
    mentioned = {}
    if params.study.mentioned_articles:
        study = read_study(
            predictions,
            clusters,
            recipes=[runs[0][0]],
            seeds=[runs[0][1]],
            test_sets=test_sets,
        )
        contexts = iterate_table(Path("data/generated/contexts.parquet"), GeneratedContext)
        mentioned = mentioned_articles(study, (row.text for row in contexts))
    keep_scores(
        folder,
        {run: run_folder(predictions, *run) for run in runs},
        clusters,
        test_sets=test_sets,
        mentioned=mentioned,
    )
    names = [path.relative_to(METRICS) for path in METRICS.glob("*.json")]
    names += [path.relative_to(METRICS) for path in METRICS.glob("validation/*.json")]
    names += [Path("blend") / f"{recipe}.json" for recipe in recipes]
    for recipe, seed in runs:
        names += [Path(part) / f"{recipe}-{seed}.json" for part in ("train", "evaluate")]
        names.append(Path("validation") / f"blend-{recipe}" / f"{seed}.json")
    for name in names:
        write_whole(folder / "metrics" / name, (METRICS / name).read_bytes())
    for file in (PARAMS, Path("dvc.lock")):
        write_whole(folder / file.name, file.read_bytes())


def _page_of_table(name: str, folder: Path) -> str:
    commit = asked("git", "rev-parse", "--short", "HEAD")
    numbers = numbers_in(folder / "metrics")
    links = [f"[{n}]({n})" for n in ("params.yaml", "dvc.lock", "metrics", SCORES)]
    links.append(f"page: [{PAGE}]({PAGE})")
    if (folder / CASES).is_file():
        links.append(f"[single pairs]({CASES})")
    return (
        f"# Results: {name}\n\nMade by `augqa profile {name} && augqa run`, last added to at commit"
        f" {commit.stdout.strip() or 'unknown'} by `augqa results {name}`.\n\n"
        f"```text\n{_table(numbers.summary, numbers.evidence)}\n```\n\n{', '.join(links)}\n"
    )


def _table(summary: Path, evidence: Path) -> str:
    test_sets = reported_sets(load_params().data.test_sets)
    return table_text(
        forms.read_form(summary, forms.Summary),
        test_sets,
        forms.read_form(evidence, forms.Evidence),
    )
