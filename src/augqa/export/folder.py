"""The folder of an export: written aside, put in its place whole, never over what is there."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augqa import metric_forms as forms
from augqa.errors import DataError
from augqa.explaining import md5_of_outs, read_evaluation, read_lock
from augqa.export.cards import SPLIT, Tally, dataset_card, reader_card
from augqa.export.terms import Term, of_pairs, of_reader
from augqa.files import sync, write_whole, writing
from augqa.lineage import md5
from augqa.metrics import read_metrics
from augqa.params import Params
from augqa.records import QAExample
from augqa.tables import iterate_table, write_table

KEPT = Path("data/filtered/kept.parquet")
MODELS = Path("data/models")
METRICS = Path("metrics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """The answers to a question, as SQuAD has them on the hub."""

    text: tuple[str, ...]
    answer_start: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A pair with the features of SQuAD on the hub.

    Attributes:
        title: Id of the context: a generated one is of no article.
    """

    id: str
    title: str
    context: str
    question: str
    answers: Spans


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export holds."""

    n_pairs: int
    readers: tuple[str, ...]


def export(
    folder: Path,
    params: Params,
    *,
    commit: str,
    llm_license: str | None = None,
    reader_license: str | None = None,
) -> Exported:
    """Write the kept pairs and the readers of the finished run in the working directory.

    Args:
        folder: Where to: a name that is free, or an empty folder.
        params: In force.
        commit: The commit of the run, in words.
        llm_license: Licence of the language model, where it is known.
        reader_license: Licence of the checkpoint that the readers begin with.

    Raises:
        DataError: If there is something at `folder`, no run is finished, or pairs, metrics and
            readers are not of one run.
    """
    if folder.is_symlink() or folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise DataError(f"{folder}: there is something already: name a folder that is empty or new")
    _refuse_stale()
    terms = of_pairs(params, llm_license=llm_license)
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(
            tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".partial", dir=folder.parent)
        )
    try:
        n_pairs = _write_pairs(aside, params, terms=terms, commit=commit)
        own = of_reader(params, reader_license=reader_license)
        names = tuple(_write_readers(aside / "readers", params, terms=[own, *terms]))
        with writing(folder):
            for path in sorted(aside.rglob("*")):
                sync(path)
            aside.chmod(0o755)  # a temporary folder is its owner's alone
            aside.replace(folder)
            sync(folder.parent)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return Exported(n_pairs=n_pairs, readers=names)


def _refuse_stale() -> None:
    """Refuse pairs that dvc.lock does not know: the metrics would be of others.

    Raises:
        DataError: If they are not those of the last run, or nothing has run.
    """
    known = md5_of_outs(read_lock(Path("dvc.lock")))
    if not KEPT.is_file() or known.get(str(KEPT)) != md5(KEPT):
        raise DataError(f"{KEPT}: not the pairs that dvc.lock names. Run `augqa run` to the end.")


def _write_pairs(folder: Path, params: Params, *, terms: list[Term], commit: str) -> int:
    tally = Tally()

    def rows() -> Iterator[Row]:
        for pair in iterate_table(KEPT, QAExample):
            tally.add(pair)
            yield Row(
                id=pair.id,
                title=pair.context_id,
                context=pair.context,
                question=pair.question,
                answers=Spans(
                    text=tuple(answer.text for answer in pair.answers),
                    answer_start=tuple(answer.start for answer in pair.answers),
                ),
            )

    write_table(folder / SPLIT, rows(), Row)
    measured = {
        name: forms.read_form(METRICS / f"{name}.json", form)
        for name, form in (
            ("generate_contexts", forms.Contexts),
            ("filter_pairs", forms.Filtered),
            ("quality", forms.Quality),
        )
    }
    gate = forms.read_form(METRICS / "validation/kept.json", forms.Gate)["expectations"]
    card = dataset_card(
        tally,
        terms=terms,
        commit=commit,
        sample=params.data.train.kind == "sample",
        measured=measured,
        warnings=[name for name, found in gate.items() if not found["success"]],
    )
    write_whole(folder / "README.md", card)
    return tally.n


def _write_readers(folder: Path, params: Params, *, terms: list[Term]) -> Iterator[str]:
    """Copy each reader in force; yield their names.

    Raises:
        DataError: If one is missing, or is not the one that was measured.
    """
    for recipe in ("real", *params.regimes):
        for seed in params.training_seeds:
            name = f"{recipe}-{seed}"
            model, to = MODELS / name, folder / name
            if not model.is_dir():
                raise DataError(f"{model}: no such reader. Run `augqa run`, or `dvc pull`.")
            measured = read_evaluation(METRICS / "evaluate" / f"{name}.json")
            if read_metrics(model / "training.json")["run_key"] != measured["run_key"]:
                raise DataError(f"{model}: not the reader that was measured. Run `augqa run`.")
            with writing(to):
                # Not with their modes: DVC may keep its files read-only.
                shutil.copytree(model, to, copy_function=shutil.copyfile)
            learned_from = terms[:2] if recipe == "real" else terms
            scores: Any = measured["sets"]
            card = (to / "README.md").read_text(encoding="utf-8")
            write_whole(to / "README.md", reader_card(card, learned_from, scores))
            yield name
