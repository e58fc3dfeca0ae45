"""Where a number or a pair comes from, read from dvc.lock, the tables and the metrics alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from augqa import ids
from augqa import metric_forms as forms
from augqa.errors import DataError
from augqa.params_text import dotted
from augqa.records import GeneratedContext, QAExample, Rejection, RoundTripAnswer
from augqa.tables import iterate_table
from augqa.yaml_text import YamlFault, cut, parse_yaml, read_text

R = TypeVar("R")

_BASELINE = "real"
# The lock of ten runs has 91 KB and 7,000 values.
_LOCK_BYTES = 5_000_000
_LOCK_VALUES = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A stage in the past of a number.

    Attributes:
        stage: Its name.
        outs: md5 of each out, by path, but for those that lie in git.
        params: What it read of params.yaml, by dotted key.
    """

    stage: str
    outs: Mapping[str, str]
    params: Mapping[str, Any]


def read_lock(path: Path) -> dict[str, Any]:
    """Return the stages of dvc.lock.

    Raises:
        DataError: If there is none, or it is not one.
    """
    try:
        text = read_text(path, max_bytes=_LOCK_BYTES)
        found = parse_yaml(text, max_values=_LOCK_VALUES)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file: nothing has run yet. Run `augqa run`.") from error
    except (OSError, YamlFault) as error:
        raise DataError(f"{path}: not a lock file of DVC: {error}") from error
    stages = found.get("stages") if isinstance(found, dict) else None
    if not isinstance(stages, dict):
        raise DataError(f"{path}: not a lock file of DVC: it has no stages")
    for name, stage in stages.items():
        fault = _fault_of(stage) if isinstance(name, str) else "its name is no text"
        if fault is not None:
            raise DataError(f"{path}: not a lock file of DVC: stage {cut(str(name))}: {fault}")
    return stages


def _fault_of(stage: Any) -> str | None:
    """Return what a stage of a lock file has that DVC does not write."""
    if not isinstance(stage, dict):
        return f"holds a {type(stage).__name__}, not keys with values"
    for key in ("deps", "outs"):
        entries = stage.get(key, [])
        for entry in entries if isinstance(entries, list) else [entries]:
            if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
                return f"{key} has an entry without a path: {cut(str(entry))}"
    params = stage.get("params", {})
    of_files = params.values() if isinstance(params, dict) else [params]
    if not all(isinstance(of_file, dict) for of_file in of_files):
        return "params are not keys with values by file"
    return None


def read_evaluation(path: Path) -> dict[str, Any]:
    """Return the metrics that `evaluate` wrote of a run.

    Raises:
        DataError: If there are none, or a set has no scores.
    """
    found = forms.read_form(path, forms.Evaluation)
    for name, scores in found["sets"].items():
        for key in ("f1", "exact_match", "n_questions"):
            if key not in scores:
                raise DataError(f"{path}: no {key} of {cut(name)}. Run `augqa run`.")
    return found


def md5_of_outs(stages: Mapping[str, Any]) -> dict[str, str]:
    """Return the md5 of each out of the stages of dvc.lock, by path, but for those in git alone."""
    return {
        out["path"]: out["md5"]
        for stage in stages.values()
        for out in stage.get("outs", ())
        if "md5" in out
    }


def stage_of(step: str, recipe: str, seed: int) -> str:
    """Return the name of a recipe's stage, such as ``evaluate@mix-1`` or ``evaluate_real@1``."""
    return f"{step}_real@{seed}" if recipe == _BASELINE else f"{step}@{recipe}-{seed}"


def past_of(stages: Mapping[str, Any], stage: str) -> list[Made]:
    """Return the stages that a stage's result comes from, itself last.

    Gates and the hash of the code decide whether a stage runs, and make nothing of the number.

    Raises:
        DataError: If the stage has not run.
    """
    if stage not in stages:
        raise DataError(
            f"dvc.lock: stage {stage} has not run. It knows"
            f" {', '.join(name for name in stages if name.startswith('evaluate')) or 'none'}."
        )
    makers = {out["path"]: name for name, body in stages.items() for out in body.get("outs", [])}
    order: dict[str, None] = {}
    todo = [(stage, iter(_before(stages, makers, stage)))]
    above = {stage}
    while todo:
        name, makers_left = todo[-1]
        maker = next(makers_left, None)
        if maker is None:
            todo.pop()
            above.discard(name)
            order[name] = None
        elif maker in above:
            raise DataError(f"dvc.lock: not a lock file of DVC: stage {maker} comes from itself")
        elif maker not in order:
            above.add(maker)
            todo.append((maker, iter(_before(stages, makers, maker))))
    return [
        Made(
            stage=name,
            outs={
                out["path"]: str(out.get("md5", ""))
                for out in stages[name].get("outs", [])
                if not out["path"].startswith("metrics/")
            },
            params={
                key: value
                for of_file in stages[name].get("params", {}).values()
                for key, value in dotted(of_file).items()
            },
        )
        for name in order
    ]


def number_lines(
    *,
    recipe: str,
    test_set: str,
    evaluations: Mapping[int, Mapping[str, Any]],
    stages: Mapping[str, Any],
    commit: str,
    run_ids: Mapping[str, str],
    served: Mapping[str, Mapping[str, Any]],
    prompts: Sequence[str],
) -> list[str]:
    """Return where a recipe's scores on a set come from, and how to make them again.

    Args:
        recipe: Its name.
        test_set: Its name.
        evaluations: Metrics of `evaluate` by training seed.
        stages: Of dvc.lock.
        commit: Of git, in words.
        run_ids: MLflow runs by key of the training, as far as they are known.
        served: Metrics of the stages that asked a language model, by stage.
        prompts: Hashes of the prompts that the pairs of its training sets were made with.

    Raises:
        DataError: If it was not measured on the set, or a stage has not run.
    """
    lines = []
    for seed, found in evaluations.items():
        if test_set not in found["sets"]:
            raise DataError(
                f"{recipe} was not measured on {test_set!r}: choose one of"
                f" {', '.join(found['sets'])}"
            )
        scores = found["sets"][test_set]
        key = str(found.get("run_key", ""))
        lines.append(
            f"{recipe}, training seed {seed}, on {test_set}: F1 {scores['f1']:.2f}, exact match"
            f" {scores['exact_match']:.2f}, {scores['n_questions']:,} questions"
        )
        tracked = run_ids.get(key, "not known here")
        lines.append(f"  training {key[:12] or 'without a key'}; MLflow run {tracked}")
    lines += ["", f"Commit: {commit}", "", "Made by, first to last (md5 as in dvc.lock):"]
    first = next(iter(evaluations))
    past = past_of(stages, stage_of("evaluate", recipe, first))
    for made in past:
        lines.append(f"  {made.stage}")
        lines += [f"    {md5 or 'in git':38} {path}" for path, md5 in made.outs.items()]
    lines += ["", "Params that they read:"]
    params = {key: value for made in past for key, value in made.params.items()}
    lines += [f"  {key}: {value}" for key, value in sorted(params.items())]
    lines += ["", "Requests to language models:"]
    for stage, metrics in served.items():
        if metrics.get("n_by_model"):
            models = ", ".join(f"{name} ({n:,})" for name, n in metrics["n_by_model"].items())
            lines.append(f"  {stage}: {models}")
    lines += [f"  prompt {sha256}" for sha256 in prompts]
    if recipe == _BASELINE:
        lines.append("  none of them has a part in this recipe")
    targets = " ".join(stage_of("evaluate", recipe, seed) for seed in evaluations)
    lines += ["", "To make it again at that commit:", f"  augqa run {targets}"]
    return lines


def pair_lines(pair: str, data: Path) -> list[str]:
    """Return the way of a pair: seed question, context, prompt, what became of it.

    Args:
        pair: Its id: that of its seed question, ``/c`` and a number, and what its maker added.
        data: Folder of the stages' outs.

    Raises:
        DataError: If no table has it.
    """
    found = _row(data / "generated/pairs.parquet", QAExample, pair)
    refused = _row(data / "generated/pairs_rejected.parquet", Rejection, pair)
    if found is None and refused is None:
        raise DataError(
            f"{data / 'generated'}: no pair {pair!r}, neither among the pairs nor among those that"
            " their generator refused"
        )
    seed, context_id = ids.seed_of(pair) or pair, ids.context_of(pair) or pair
    lines = [f"Pair {pair}"]
    question = _row(data / "prepared/seed_questions.parquet", QAExample, seed)
    if question is not None:
        answers = ", ".join(answer.text for answer in question.answers)
        lines.append(f"  seed question {seed}: {question.question} ({answers})")
    context = _row(data / "generated/contexts.parquet", GeneratedContext, context_id)
    if context is not None:
        lines += [
            f"  context {context.id}: by {context.model}, style {context.style}, prompt"
            f" {context.prompt_sha256}",
            f"    {context.text}",
        ]
    if refused is not None:
        lines.append(f"  refused by the generator: {refused.reason} ({refused.detail})")
    if found is None:
        return lines
    by = found.model or "rules"
    prompt = f", prompt {found.prompt_sha256}" if found.prompt_sha256 else ""
    lines += [
        f"  question, made by {found.method} ({by}){prompt}: {found.question}",
        f"  answer: {found.answers[0].text!r} at {found.answers[0].start}",
    ]
    answer = _row(data / "generated/round_trip_answers.parquet", RoundTripAnswer, pair)
    if answer is not None:
        lines.append(f"  round-trip answer: {answer.text!r}, F1 {answer.f1:.1f}")
    dropped = _row(data / "filtered/rejected.parquet", Rejection, pair)
    if dropped is not None:
        lines.append(f"  dropped by a filter: {dropped.reason} ({dropped.detail})")
    elif _row(data / "filtered/kept.parquet", QAExample, pair) is not None:
        lines.append("  kept by the filters")
    in_sets = [
        f"{path.parent.name}, training seed {path.stem}"
        for path in sorted((data / "blends").glob("*/*.parquet"))
        if _row(path, QAExample, pair) is not None
    ]
    lines += [f"  in the training set of {where}" for where in in_sets] or ["  in no training set"]
    return lines


def prompts_of(blends: Sequence[Path]) -> list[str]:
    """Return the hashes of the prompts that made the pairs of some training sets."""
    found = {
        row.prompt_sha256
        for path in blends
        for row in iterate_table(path, QAExample)
        if row.prompt_sha256
    }
    return sorted(found)


def _row(path: Path, record: type[R], id_: str) -> R | None:
    """Return the row of an id; None where the table or the row is not there."""
    if not path.is_file():
        return None
    rows: Any = iterate_table(path, record)
    return next((row for row in rows if row.id == id_), None)


def _before(stages: Mapping[str, Any], makers: Mapping[str, str], name: str) -> list[str]:
    """Return the stages that made what a stage reads, without those that only let it run."""
    found = [_maker(makers, dep["path"]) for dep in stages[name].get("deps", [])]
    return [
        maker
        for maker in found
        if maker is not None and maker != name and not maker.startswith(("validate", "hash_code"))
    ]


def _maker(makers: Mapping[str, str], path: str) -> str | None:
    """Return the stage that made a path, or the folder around it."""
    if path in makers:
        return makers[path]
    return next((name for out, name in makers.items() if path.startswith(f"{out}/")), None)
