"""Writers of contexts and their conditions side by side, on seed questions of real SQuAD.

For each: the share of contexts that keep their seed's answer (as whole words), the share that goes
in a loop, words, and CPU seconds a context and a context with the answer, the start of the engine
or the loading of the model included. With --against, how well a classifier tells its contexts from
those of other files (two-sample AUC: 0.5 not at all), and real contexts of the seeds from these.
Seeds are examples of the training file outside those that the trained writer learned from. What is
measured is kept in --out. The last line is one JSON object.

    python benchmarks/context_writers.py --data DIR --writers question question_and_answer
    python benchmarks/context_writers.py --data DIR --train --n-examples 3000   # then measure it
    python benchmarks/context_writers.py --data DIR --writers trained 'trained*2'
    python benchmarks/context_writers.py --data DIR --against new_wiki.json --writers question@news
    python benchmarks/context_writers.py --data DIR --reader FOLDER --writers 'trained*3r'
"""

import argparse
import json
import os
import re
import resource
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from command import run_command
from keeping import once

from augqa.context_writer import Given, load_context_writer
from augqa.context_writer.judging import AskedReader, loops, repeated_fraction, verdict
from augqa.context_writer.training import train_context_writer
from augqa.errors import AugQAError
from augqa.finetuning.language_model import FineTuning
from augqa.formats import read_examples
from augqa.params import Params, load_params
from augqa.quality.comparison import one_a_context, two_sample_aucs
from augqa.reader import Reader
from augqa.records import GeneratedContext, QAExample
from augqa.sampling import shuffled
from augqa.tables import read_table, write_table

SEED = 13
N_POOL = 3000  # as profile cpu has it
_NAME = re.compile(
    r"(?:trained|(?P<condition>question|question_and_answer|question_answer_and_context)"
    r"(?:\+(?P<penalty>\d+(?:\.\d+)?))?)(?:@(?P<style>\w+))?(?:\*(?P<tries>[1-9])(?P<asks>r?))?"
)


def cpu_s() -> float:
    """Return the CPU seconds of this process and of those it started that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def knobs(name: str, reader: Path | None = None) -> dict[str, Any]:
    """Return the params of a writer by its name.

    That is ``trained``, or a condition of the prompted writer with ``+`` and the repetition penalty
    where it has one. Behind it may stand ``@`` and the style, ``*`` and the most tries of which the
    best is kept, ``r`` where a reader has a say in that.

    Raises:
        AugQAError: If it is of another form.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise AugQAError(
            f"--writers: {name!r} is neither trained nor a condition of the prompted writer"
            " (question, question_and_answer or question_answer_and_context), followed by nothing"
            " or some of +PENALTY (of the prompted one), @STYLE and *TRIES or *TRIESr, in turn"
        )
    changes: dict[str, Any] = {"writer": "llm" if found["condition"] else "trained"}
    if found["condition"]:
        changes["condition"] = found["condition"]
        changes["repetition_penalty"] = float(found["penalty"]) if found["penalty"] else None
    if found["style"]:
        changes["styles"] = {found["style"]: 1.0}
    if found["tries"]:
        changes |= {"choose": "best", "contexts_per_seed": int(found["tries"])}
    if found["asks"]:
        if reader is None:
            raise AugQAError(f"--writers: {name!r} asks a reader: name one by --reader")
        changes["reader"] = str(reader)
    return changes


def measured(
    params: Params,
    name: str,
    seeds: list[QAExample],
    contexts: Path,
    *,
    trained: Path | None,
    reader: Path | None,
) -> dict[str, Any]:
    """Let a writer write for all seeds, nothing from a cache; return what came of it.

    Args:
        params: The params.
        name: As of `knobs`.
        seeds: The seed questions.
        contexts: Takes what it wrote; the cache is beside it.
        trained: Folder of the trained writer.
        reader: Folder of the reader that may have a say, and is asked about all contexts at last.
    """
    own = params.generate_contexts.model_copy(update=knobs(name, reader))
    workspace = contexts.parent / "workspace"
    os.environ["DVC_ROOT"] = str(workspace)
    shutil.rmtree(workspace, ignore_errors=True)
    begin = cpu_s()
    given = Given(params=own, endpoint=params.llm, trained=trained, prompts=None, documents=None)
    writer = load_context_writer(own.writer, own.own(own.writer), given)
    rows = list(writer.contexts(seeds))
    seconds = cpu_s() - begin
    write_table(contexts, rows, GeneratedContext)
    good = [(seed, row.text) for seed, row in zip(seeds, rows, strict=True) if not row.failure]
    verdicts = [
        verdict(text, question=seed.question, answer=seed.answers[0].text) for seed, text in good
    ]
    n_kept = sum(each.answer_kept for each in verdicts)
    read = None
    if reader is not None:
        asked = AskedReader(reader=Reader.load(reader, param="--reader"))
        found = asked.answers([seed for seed, _ in good], [text for _, text in good])
        pairs = zip(verdicts, found, strict=True)
        read = sum(each.answer_kept and is_found for each, is_found in pairs) / len(good)
    return {
        "n_seed_questions": len(seeds),
        "n_contexts": len(good),
        "answer_kept_fraction": n_kept / len(good),
        "answer_kept_and_found_fraction": read,
        "loop_fraction": sum(loops(text) for _, text in good) / len(good),
        "mean_repeated_fraction": sum(repeated_fraction(text) for _, text in good) / len(good),
        "tries_per_seed": sum(row.n_tries for row in rows) / len(seeds),
        "mean_words": sum(len(text.split()) for _, text in good) / len(good),
        "similarity": sum(each.similarity for each in verdicts) / len(good),
        "cpu_s_per_context": seconds / len(good),
        "cpu_s_per_kept": seconds / n_kept if n_kept else None,
    }


def aucs(
    params: Params, written: dict[str, Path], seeds: list[QAExample], files: list[Path]
) -> dict[str, Any]:
    """Return the AUC of each writer's contexts, and of the seeds' real ones, to each file's.

    All are cut to the number of the fewest, which is told.
    """
    sets = {"real": [seed.context for seed in one_a_context(seeds, seed=SEED)]}
    for name, contexts in written.items():
        rows = read_table(contexts, GeneratedContext)
        sets[name] = [row.text for row in rows if not row.failure]
    against = {
        file.stem: [one.context for one in one_a_context(read_examples(file).examples, seed=SEED)]
        for file in files
    }
    n_folds, n_sample = params.measure_quality.n_folds, params.measure_quality.n_sample
    return two_sample_aucs(sets, against, n_sample=n_sample, n_folds=n_folds, seed=SEED)


def train(params: Params, pool: list[QAExample], n_examples: int, out: Path) -> dict[str, Any]:
    """Train the writer on the pool; a run that was stopped goes on."""
    settings = {**params.train_context_writer.model_dump(), "n_examples": n_examples}
    how, others = FineTuning.parted(settings)
    begin = cpu_s()
    made, report = train_context_writer(pool, how=how, resume=out / "state", **others)
    made.save(out / "writer")
    numbers = asdict(report)
    numbers["n_left_out"] = len(numbers.pop("left_out"))
    return {**numbers, "cpu_s_since_last_start": cpu_s() - begin}


def main() -> None:
    """Run what is asked for; print one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of SQuAD files")
    parser.add_argument("--out", type=Path, default=Path(".cache/benchmarks/context_writers"))
    parser.add_argument("--params", type=Path, default=Path("profiles/cpu.yaml"))
    parser.add_argument("--n-seeds", type=int, default=48)
    parser.add_argument("--writers", nargs="*", default=[])
    parser.add_argument("--train", action="store_true", help="train the writer first")
    parser.add_argument("--n-examples", type=int, default=N_POOL)
    parser.add_argument("--against", nargs="*", help="files of --data, such as those of the shifts")
    parser.add_argument("--reader", type=Path, help="folder of a reader, which is asked, too")
    parser.add_argument("--trained", type=Path, help="folder of a trained writer; else --out's")
    options = parser.parse_args()
    params, out = load_params(options.params), options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    names = ("train.json", "squad-train-v1.1.json")
    file = next(path for name in names if (path := options.data / name).is_file())
    examples = shuffled(read_examples(file).examples, seed=SEED)
    pool = examples[:N_POOL]
    learned = {example.context_id for example in pool}
    seeds = [e for e in examples[N_POOL:] if e.context_id not in learned][: options.n_seeds]

    result: dict[str, Any] = {}
    if options.train:
        result["training"] = once(
            out / "trained.json", lambda: train(params, pool, options.n_examples, out)
        )
    trained = options.trained or out / "writer"
    asked = f"-{options.reader.name}" if options.reader else ""
    written = {name: out / f"{name}-{len(seeds)}{asked}.parquet" for name in options.writers}
    for name, contexts in written.items():
        result[name] = once(
            contexts.with_suffix(".json"),
            lambda name=name, contexts=contexts: measured(
                params, name, seeds, contexts, trained=trained, reader=options.reader
            ),
        )
    if options.against:
        files = [options.data / name for name in options.against]
        result["auc"] = aucs(params, written, seeds, files)
    print(json.dumps(result, sort_keys=True))


if __name__ == "__main__":
    run_command(main)
