"""Command explain: where a number or a pair comes from."""

from pathlib import Path
from typing import Annotated

import typer

from augqa import metric_forms as forms
from augqa.errors import ParamsError
from augqa.explaining import number_lines, pair_lines, prompts_of, read_evaluation, read_lock
from augqa.params import load_params
from augqa.params_text import nearest
from augqa.programs import asked
from augqa.terminal import say

DATA = Path("data")
METRICS = Path("metrics")


def explain(
    recipe: Annotated[str | None, typer.Argument(metavar="[REGIME]")] = None,
    test_set: Annotated[str | None, typer.Argument(metavar="[SET]")] = None,
    pair: Annotated[str | None, typer.Option(help="id of a generated pair instead")] = None,
) -> None:
    """Tell where a recipe's scores on a test set, or a pair, come from."""
    if pair is not None:
        say("\n".join(pair_lines(pair, DATA)))
        return
    if recipe is None or test_set is None:
        raise ParamsError("say which number: `augqa explain real amazon`, or with --pair ID a pair")
    params = load_params()
    if recipe not in ("real", *params.regimes):
        raise ParamsError(
            f"{recipe!r} is no recipe in force: choose one of real, {', '.join(params.regimes)}"
            f"{nearest(recipe, params.regimes)}"
        )
    evaluations = {
        seed: read_evaluation(METRICS / "evaluate" / f"{recipe}-{seed}.json")
        for seed in params.training_seeds
    }
    lines = number_lines(
        recipe=recipe,
        test_set=test_set,
        evaluations=evaluations,
        stages=read_lock(Path("dvc.lock")),
        commit=commit_of_lock(),
        run_ids=_run_ids([str(found.get("run_key", "")) for found in evaluations.values()]),
        served={
            stage: forms.read_form(METRICS / f"{stage}.json", form)
            for stage, form in (
                ("generate_contexts", forms.Contexts),
                ("generate_pairs", forms.Pairs),
            )
            if recipe != "real" and (METRICS / f"{stage}.json").is_file()
        },
        prompts=prompts_of(
            [
                path
                for seed in params.training_seeds
                if (path := DATA / "blends" / recipe / f"{seed}.parquet").is_file()
            ]
        ),
    )
    say("\n".join(lines))


def commit_of_lock() -> str:
    """Return the commit that dvc.lock was last changed in, and whether it was changed since."""
    found = asked("git", "log", "-1", "--format=%h of %cs: %s", "--", "dvc.lock").stdout.strip()
    changed = asked("git", "status", "--porcelain", "--", "dvc.lock", "params.yaml").stdout.strip()
    since = "; dvc.lock or params.yaml have changes since that are not committed"
    return (found or "not committed yet") + (since if found and changed else "")


def _run_ids(keys: list[str]) -> dict[str, str]:
    # MLflow takes seconds to import, and the other commands do not need it.
    from augqa.tracking import run_ids  # noqa: PLC0415

    return run_ids(keys)
