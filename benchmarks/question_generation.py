"""A question generator trained for an hour at most against few-shot prompting of the same model.

Both write the question to each answer of the same seeded choice of SQuAD dev examples. Measured:
BLEU-4 (sacrebleu) and ROUGE-L (torchmetrics) against the human question, and the share of
questions that a reader trained on real data alone answers as meant. The trained side reads the
training file and nothing of dev. What is done is kept in --out: a run that was stopped goes on.
The last line is one JSON object.

    python benchmarks/question_generation.py --data data/external
    python benchmarks/question_generation.py --data DIR --minutes 60 --reader data/models/real-1
    python benchmarks/question_generation.py --data DIR --speed       # CPU seconds an example
    python benchmarks/question_generation.py --data DIR --search 8:3e-4 all:2e-4 --n-examples 384
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sacrebleu
import torch
from command import need_folder, run_command
from keeping import once
from torchmetrics.functional.text.rouge import rouge_score

from augqa import llm
from augqa.candidates import Candidate
from augqa.checkpoints import load_language_model
from augqa.finetuning.batches import passes
from augqa.finetuning.determinism import pinned
from augqa.finetuning.language_model import FineTuning, FineTuningReport
from augqa.finetuning.lessons import lengths
from augqa.formats import read_examples
from augqa.params import Params, load_params
from augqa.question_generator.lessons import CausalLessons
from augqa.question_generator.prompting import Reply, question_ask, read
from augqa.question_generator.proposals import Draft, Passage
from augqa.question_generator.trained import load_trained
from augqa.question_generator.training import TrainedModel, train_question_generator
from augqa.reader import Reader, train_reader
from augqa.records import Answer, QAExample
from augqa.sampling import shuffled
from augqa.scoring import exact_match, f1

SEED = 13
MIN_F1 = 50.0  # round-trip consistent from here on, as in profile cpu
N_PILOT = 96  # examples that the rate of training is taken from


def find(folder: Path, *names: str) -> Path:
    """Return the first of `names` that is in the folder."""
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise SystemExit(f"{folder}: none of {', '.join(names)} is there")


def settings_of(params: Params) -> dict[str, Any]:
    """Return the settings of a causal training, but for the number of examples."""
    own = params.train_question_generator
    values = own.model_dump(exclude={"causal", "seq2seq", "n_examples"})
    return {**values, **own.causal.model_dump(), "kind": "causal"}


def train_with(
    examples: Sequence[QAExample], settings: dict[str, Any], **others: Any
) -> tuple[TrainedModel, FineTuningReport]:
    """Train with the settings of a params section."""
    how, own = FineTuning.parted(settings)
    return train_question_generator(examples, how=how, **own, **others)


def rate(examples: Sequence[QAExample], settings: dict[str, Any]) -> dict[str, Any]:
    """Return examples a second, without the time to load."""
    ticks: list[float] = []
    train_with(
        examples,
        {**settings, "epochs": 1, "n_examples": N_PILOT},
        on_part=lambda *_: ticks.append(time.perf_counter()),
    )
    # Each part of so short a training is about one step; the first one warms up.
    share = (len(ticks) - 1) / len(ticks)
    return {"examples_per_s": N_PILOT * share / (ticks[-1] - ticks[0])}


def trained_questions(folder: Path, params: Params, asked: Sequence[QAExample]) -> list[str]:
    """Return the trained generator's question to each example's answer; empty for none."""
    own = params.generate_pairs.own("trained").model_dump(exclude={"checkpoint"})
    generator = load_trained(folder, **own, n_pairs=1)
    found = generator.ask([(example.context, candidate(example)) for example in asked])
    return [part.question if isinstance(part, Draft) else "" for part in found]


def prompted_questions(params: Params, asked: Sequence[QAExample]) -> list[str]:
    """Return the question of method hybrid to each example's answer; empty for none."""
    own, endpoint = params.generate_pairs.own("hybrid"), params.llm
    asks = [
        question_ask(
            Passage(id=example.id, text=example.context, origin="real"),
            candidate(example),
            0,
            max_context_words=own.max_context_words,
        )
        for example in asked
    ]
    requests = [
        llm.ChatRequest(
            id=ask.id,
            messages=ask.messages,
            max_tokens=own.max_tokens,
            seed=llm.request_seed(endpoint.seed, ask.id),
            json_schema=None,
            stop=("\n",),
        )
        for ask in asks
    ]
    questions = []
    with llm.open_client(endpoint, cache_path=llm.default_cache_path()) as client:
        results = client.complete(iter(requests), total=len(requests))
        for ask, result in zip(asks, results, strict=True):
            reply = Reply(
                text=result.text,
                failure=result.failure,
                model=result.model,
                cut_off=result.finish_reason == "length",
            )
            drafts, _ = read(ask, reply)
            questions.append(drafts[0].question if drafts else "")
    return questions


def candidate(example: QAExample) -> Candidate:
    """Return the example's first answer."""
    answer = example.answers[0]
    return Candidate(text=answer.text, start=answer.start, kind="phrase")


def real_reader(
    folder: Path | None, out: Path, params: Params, pool: Sequence[QAExample]
) -> Reader:
    """Load the reader of the round trip; without a folder train one on real examples."""
    own = params.reader.model_dump(exclude={"checkpoint"})
    if folder is None:
        folder = out / "reader"
        if not (folder / "config.json").is_file():
            reader, _ = train_reader(
                shuffled(pool, seed=SEED)[: params.prepare.n_pool],
                seed=SEED,
                resume=out / "reader-state",
                **dict(params.reader),
                **dict(params.train),
            )
            reader.save(folder)
    return Reader.load(folder, **own)


def scores(
    questions: Sequence[str], asked: Sequence[QAExample], reader: Reader, batch_size: int
) -> dict[str, Any]:
    """Return the scores of one side; an answer without a question counts as failed."""
    references = [example.question.strip() for example in asked]
    bleu = sacrebleu.corpus_bleu(list(questions), [references], lowercase=True)
    rouge = rouge_score(list(questions), references, rouge_keys="rougeL")
    pairs = [
        QAExample(
            id=example.id,
            context_id=example.context_id,
            context=example.context,
            question=question,
            answers=(Answer(text=example.answers[0].text, start=example.answers[0].start),),
            origin="generated",
            context_origin="real",
        )
        for example, question in zip(asked, questions, strict=True)
        if question.strip()
    ]
    found = reader.answer_all(pairs, batch_size=batch_size)
    both = [(pair.answers[0].text, a.text) for pair, a in zip(pairs, found, strict=True)]
    n = len(asked)
    return {
        "bleu4": bleu.score,
        "rouge_l": 100 * float(rouge["rougeL_fmeasure"]),
        "round_trip_fraction": sum(f1(own, text) >= MIN_F1 for own, text in both) / n,
        "round_trip_exact_fraction": sum(exact_match(own, text) == 100 for own, text in both) / n,
        "no_question_fraction": 1 - len(pairs) / n,
        "distinct_questions_fraction": len(set(questions)) / n,
    }


def lessons_of(
    tokenizer: Any, examples: Sequence[QAExample], settings: dict[str, Any]
) -> CausalLessons:
    """Return the lessons that a training with these settings would take from the examples."""
    names = ("max_source_tokens", "max_question_tokens", "pass_tokens", "share_contexts")
    return CausalLessons(tokenizer, examples, **{name: settings[name] for name in names})


def speed(examples: Sequence[QAExample], settings: dict[str, Any]) -> dict[str, float]:
    """Return CPU seconds an example, forward and backward, with contexts shared and not."""
    found: dict[str, float] = {}
    with pinned(settings["threads"]):
        tokenizer, model, _ = load_language_model(
            settings["checkpoint"], "causal", param="checkpoint"
        )
        model.train()
        for shares in (False, True):
            lessons = lessons_of(tokenizer, examples, {**settings, "share_contexts": shares})
            rows = np.arange(len(lessons.units))
            begin = time.process_time()
            for part in passes(lengths(lessons.units), settings["pass_tokens"]):
                torch.autograd.backward(lessons.loss(model, rows[part]))
            found["shared" if shares else "apart"] = (time.process_time() - begin) / len(examples)
    return found


def dev_loss(
    pool: Sequence[QAExample],
    asked: Sequence[QAExample],
    settings: dict[str, Any],
    choice: str,
) -> dict[str, Any]:
    """Train as `choice` says, LAYERS:LEARNING_RATE; return the loss a token on other questions."""
    layers, _, learning_rate = choice.partition(":")
    settings = {
        **settings,
        "layers": layers if layers == "all" else int(layers),
        "learning_rate": float(learning_rate),
    }
    begin = time.perf_counter()
    made, report = train_with(pool, settings)
    minutes = (time.perf_counter() - begin) / 60
    lessons = lessons_of(made.tokenizer, asked, settings)
    made.model.eval()
    rows, total = np.arange(len(lessons.units)), 0.0
    with torch.no_grad(), pinned(settings["threads"]):
        for part in passes(lengths(lessons.units), settings["pass_tokens"]):
            total += float(lessons.loss(made.model, rows[part]))
    return {
        "choice": choice,
        "dev_loss": total / sum(unit.n_targets for unit in lessons.units),
        "loss_per_part": list(report.loss_per_part),
        "minutes": minutes,
    }


def main() -> None:
    """Run what is asked for; print one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of SQuAD files")
    parser.add_argument("--out", type=Path, default=Path(".cache/benchmarks/question_generation"))
    parser.add_argument("--params", type=Path, default=Path("profiles/cpu.yaml"))
    parser.add_argument("--minutes", type=float, default=60.0, help="of training, at most")
    parser.add_argument("--n-examples", type=int, help="instead of what fits into --minutes")
    parser.add_argument("--n-eval", type=int, default=500)
    parser.add_argument("--reader", type=Path, help="folder; without it one is trained")
    parser.add_argument("--speed", action="store_true", help="measure the speed alone")
    parser.add_argument(
        "--search", nargs="+", metavar="LAYERS:RATE", help="train so, compare the losses on dev"
    )
    options = parser.parse_args()
    if options.search and options.n_examples is None:
        parser.error("--search needs --n-examples: each choice is trained on so many")
    params, out = load_params(options.params), options.out
    settings = settings_of(params)
    need_folder("--reader", options.reader)
    dev_file = find(options.data, "squad.json", "squad-dev-v1.1.json")
    pool = list(read_examples(find(options.data, "train.json", "squad-train-v1.1.json")).examples)

    if options.speed:
        by_context = sorted(pool[:400], key=lambda example: example.context_id)[:32]
        print(json.dumps({"cpu_s_per_example": speed(by_context, settings)}))
        return

    dev = list(read_examples(dev_file).examples)
    asked = shuffled(dev, seed=SEED)[: options.n_eval]

    if options.search:
        settings["n_examples"] = options.n_examples
        found = [dev_loss(pool, asked[:200], settings, choice) for choice in options.search]
        print(json.dumps({"search": found, "n_examples": options.n_examples}))
        return

    def plan() -> dict[str, Any]:
        if options.n_examples is not None:
            return {"n_examples": options.n_examples}
        measured = rate(pool, settings)
        fits = int(measured["examples_per_s"] * options.minutes * 60)
        return {"n_examples": min(fits, len(pool)), **measured}

    def train() -> dict[str, Any]:
        begin = time.perf_counter()
        made, report = train_with(
            pool,
            {**settings, "n_examples": planned["n_examples"]},
            resume=out / "generator-state",
        )
        made.save(out / "generator")
        return {
            "minutes_since_last_start": (time.perf_counter() - begin) / 60,
            "n_steps": report.n_steps,
            "n_trained_weights": report.n_trained_weights,
            "loss_per_part": list(report.loss_per_part),
        }

    planned = once(out / "plan.json", plan)
    trained = once(out / "trained.json", train)

    def timed(ask: Callable[[], list[str]]) -> dict[str, Any]:
        begin = time.perf_counter()
        questions = ask()
        return {
            "questions": questions,
            "s_per_question": (time.perf_counter() - begin) / len(asked),
        }

    sides: dict[str, Callable[[], list[str]]] = {
        "trained": lambda: trained_questions(out / "generator", params, asked),
        "few_shot": lambda: prompted_questions(params, asked),
    }
    written = {
        name: once(out / f"questions-{name}-{len(asked)}.json", lambda ask=ask: timed(ask))
        for name, ask in sides.items()
    }
    reader = real_reader(options.reader, out, params, pool)
    batch_size = params.evaluate.batch_size
    result = {
        name: {
            **scores(side["questions"], asked, reader, batch_size),
            "s_per_question": side["s_per_question"],
        }
        for name, side in written.items()
    }
    # What the reader makes of the human questions: no generator can be expected to do better.
    human = [example.question for example in asked]
    result["human"] = scores(human, asked, reader, batch_size)
    for number in range(min(10, len(asked))):
        print(f"\n{asked[number].answers[0].text!r}\n  human:    {human[number].strip()}")
        for name, side in written.items():
            print(f"  {name + ':':9} {side['questions'][number]}")
    print(
        json.dumps(
            {"n_eval": len(asked), "plan": planned, "training": trained, "scores": result},
            sort_keys=True,
        )
    )


if __name__ == "__main__":
    run_command(main)
