"""The reader against the usual recipe: training and answering speed, and the same scores.

The yardstick is the recipe of the transformers question-answering example, written anew for
this project: Trainer, windows padded to max_seq_length, default collator, float32, n-best
search in Python. Both sides have the same model, examples, hyperparameters and threads, and
take turns. The last line is one JSON object.

    python benchmarks/reader.py --data data/external
    python benchmarks/reader.py --data DIR --n-f1 0         # speed alone
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import (
    AutoModelForQuestionAnswering,
    AutoTokenizer,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    default_data_collator,
)
from transformers.utils import logging as transformers_logging

from augqa.reader import Reader, train_reader
from augqa.reader.checkpoints import find_checkpoint
from augqa.records import QAExample
from augqa.scoring import score
from augqa.squad import read_squad

MAX_SEQ_LENGTH = 384
DOC_STRIDE = 128
MAX_ANSWER_TOKENS = 30
N_BEST = 20
LEARNING_RATE = 2e-4
WARMUP_FRACTION = 0.1
WEIGHT_DECAY = 0.01
MAX_GRAD_NORM = 1.0

# ---- the yardstick


class Features(Dataset[dict[str, Any]]):
    """Windows as the recipe makes them: padded to MAX_SEQ_LENGTH, one row each."""

    def __init__(self, tokenizer: Any, examples: Sequence[QAExample], *, training: bool) -> None:
        encoded = tokenizer(
            [example.question.lstrip() for example in examples],
            [example.context for example in examples],
            truncation="only_second",
            max_length=MAX_SEQ_LENGTH,
            stride=DOC_STRIDE,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            padding="max_length",
        )
        self.example = encoded.pop("overflow_to_sample_mapping")
        offsets = encoded.pop("offset_mapping")
        self.rows: list[dict[str, Any]] = []
        self.offsets: list[list[tuple[int, int] | None]] = []
        for i, of in enumerate(self.example):
            row = {name: column[i] for name, column in encoded.items()}
            sequence = encoded.sequence_ids(i)
            if training:
                row |= self._labels(examples[of], offsets[i], sequence)
            self.rows.append(row)
            self.offsets.append(
                [
                    pair if part == 1 else None
                    for pair, part in zip(offsets[i], sequence, strict=True)
                ]
            )

    @staticmethod
    def _labels(example: QAExample, offsets: Any, sequence: Any) -> dict[str, int]:
        answer = example.answers[0]
        first_char, last_char = answer.start, answer.start + len(answer.text)
        first = sequence.index(1)
        last = len(sequence) - 1 - sequence[::-1].index(1)
        if not (offsets[first][0] <= first_char and offsets[last][1] >= last_char):
            return {"start_positions": 0, "end_positions": 0}
        while first < len(offsets) and offsets[first][0] <= first_char:
            first += 1
        while offsets[last][1] >= last_char:
            last -= 1
        return {"start_positions": first - 1, "end_positions": last + 1}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.rows[index]


class EpochClock(TrainerCallback):  # type: ignore[misc]
    """Notes when each epoch ends."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        self.ends.append(time.perf_counter())


def yardstick_trainer(
    model: Any, features: Features, *, seed: int, epochs: int, batch_size: int, folder: str
) -> tuple[Any, EpochClock]:
    """Return the recipe's Trainer, and a clock of its epochs."""
    clock = EpochClock()
    arguments = TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=batch_size,
        per_device_eval_batch_size=batch_size,
        learning_rate=LEARNING_RATE,
        num_train_epochs=epochs,
        warmup_steps=round(WARMUP_FRACTION * epochs * -(-len(features) // batch_size)),
        weight_decay=WEIGHT_DECAY,
        max_grad_norm=MAX_GRAD_NORM,
        seed=seed,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=features,
        data_collator=default_data_collator,
        callbacks=[clock],
    )
    return trainer, clock


def yardstick_model(checkpoint: str, seed: int) -> Any:
    """Load the model as the recipe does; the seed draws its head."""
    torch.manual_seed(seed)
    return AutoModelForQuestionAnswering.from_pretrained(checkpoint)


def yardstick_answers(trainer: Any, features: Features, examples: Sequence[QAExample]) -> list[str]:
    """Predict, then look for each example's best span, candidate by candidate."""
    starts, ends = trainer.predict(features).predictions[:2]
    windows: dict[int, list[int]] = {}
    for window, of in enumerate(features.example):
        windows.setdefault(of, []).append(window)
    answers = []
    for of, example in enumerate(examples):
        candidates = []
        for window in windows[of]:
            offsets = features.offsets[window]
            best_starts = np.argsort(starts[window])[-1 : -N_BEST - 1 : -1].tolist()
            best_ends = np.argsort(ends[window])[-1 : -N_BEST - 1 : -1].tolist()
            for first in best_starts:
                for last in best_ends:
                    begin, end = offsets[first], offsets[last]
                    if begin is None or end is None:
                        continue
                    if last < first or last - first + 1 > MAX_ANSWER_TOKENS:
                        continue
                    value = starts[window][first] + ends[window][last]
                    candidates.append((value, begin[0], end[1]))
        candidates.sort(key=lambda candidate: candidate[0], reverse=True)
        best = candidates[:N_BEST]
        answers.append(example.context[best[0][1] : best[0][2]] if best else "")
    return answers


# ---- ours


def train_ours(
    examples: Sequence[QAExample],
    options: argparse.Namespace,
    *,
    seed: int,
    epochs: int,
    on_epoch: Callable[[int, float], None] | None = None,
) -> Reader:
    """Train our reader with the settings of the yardstick."""
    reader, _ = train_reader(
        examples,
        checkpoint=options.checkpoint,
        seed=seed,
        max_seq_length=MAX_SEQ_LENGTH,
        doc_stride=DOC_STRIDE,
        max_answer_tokens=MAX_ANSWER_TOKENS,
        n_best=N_BEST,
        threads=options.threads,
        epochs=epochs,
        batch_size=options.batch_size,
        learning_rate=LEARNING_RATE,
        warmup_fraction=WARMUP_FRACTION,
        weight_decay=WEIGHT_DECAY,
        max_grad_norm=MAX_GRAD_NORM,
        on_epoch=on_epoch,
    )
    return reader


# ---- measuring


def matrix_peak(threads: int) -> float:
    """Return the most floating-point operations a second of a large product."""
    torch.set_num_threads(threads)
    a, b, out = torch.randn(2048, 2048), torch.randn(2048, 2048), torch.empty(2048, 2048)
    rates = []
    for _ in range(8):
        begin = time.perf_counter()
        torch.mm(a, b, out=out)
        rates.append(2 * 2048**3 / (time.perf_counter() - begin))
    return max(rates)


def step_operations(config: Any, lengths: Sequence[int]) -> float:
    """Return the operations of the products of one training pass over windows, per window.

    A product of the forward pass has two in the backward pass. Embeddings, norms and the
    optimiser have none.
    """
    h, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    linear = 2 * layers * (4 * h * h + 2 * h * inner)
    each = [length * (linear + 4 * layers * length * h) for length in lengths]
    return 3 * sum(each) / len(each)


def f1_of(examples: Sequence[QAExample], answers: Sequence[str]) -> float:
    """Return F1 in percent."""
    golds = {example.id: [answer.text for answer in example.answers] for example in examples}
    predictions = {e.id: text for e, text in zip(examples, answers, strict=True)}
    return score(golds, predictions).f1


def training_speeds(
    train: Sequence[QAExample], options: argparse.Namespace, tokenizer: Any, folder: str
) -> tuple[list[float], list[float]]:
    """Return examples a second of both sides, in alternating runs: the second of two epochs."""
    ours, theirs = [], []
    features = Features(tokenizer, train[: options.n_yardstick], training=True)
    for _ in range(options.rounds):
        ends: list[float] = []
        train_ours(
            train[: options.n_speed],
            options,
            seed=1,
            epochs=2,
            on_epoch=lambda *_, ends=ends: ends.append(time.perf_counter()),
        )
        ours.append(min(len(train), options.n_speed) / (ends[1] - ends[0]))
        trainer, clock = yardstick_trainer(
            yardstick_model(options.source, 1),
            features,
            seed=1,
            epochs=2,
            batch_size=options.batch_size,
            folder=folder,
        )
        trainer.train()
        n = min(len(train), options.n_yardstick)
        theirs.append(n / (clock.ends[1] - clock.ends[0]))
        print(f"training: ours {ours[-1]:.2f}, yardstick {theirs[-1]:.2f} examples/s", flush=True)
    return ours, theirs


def answering_speeds(
    reader: Reader,
    dev: Sequence[QAExample],
    options: argparse.Namespace,
    tokenizer: Any,
    folder: str,
) -> dict[str, Any]:
    """Answer with the same weights on all sides, in alternating runs.

    Ours is charged with its tokenising, the yardstick is not.
    """
    few = dev[: options.n_answers]
    features = Features(tokenizer, few, training=False)
    saved = Path(folder) / "reader"
    reader.save(saved)
    model = AutoModelForQuestionAnswering.from_pretrained(saved)
    trainer, _ = yardstick_trainer(
        model, features, seed=1, epochs=1, batch_size=options.batch_size, folder=folder
    )
    coarse = Reader.load(saved, threads=options.threads, engine="int8")
    speeds: dict[str, list[float]] = {"yardstick": [], "ours": [], "quantised": []}
    texts: dict[str, list[str]] = {}
    sides: dict[str, Callable[[], list[str]]] = {
        "ours": lambda: [answer.text for answer in reader.answer_all(few)],
        "yardstick": lambda: yardstick_answers(trainer, features, few),
        "quantised": lambda: [answer.text for answer in coarse.answer_all(few)],
    }
    for _ in range(options.rounds):
        for name, answer in sides.items():
            begin = time.perf_counter()
            texts[name] = answer()
            speeds[name].append(len(few) / (time.perf_counter() - begin))
        shown = ", ".join(f"{name} {values[-1]:.1f}" for name, values in speeds.items())
        print(f"answering: {shown} questions/s", flush=True)
    same = [a == b for a, b in zip(texts["ours"], texts["yardstick"], strict=True)]
    return {
        "speeds": speeds,
        "answer_agreement": statistics.mean(same),
        "f1": {name: f1_of(few, found) for name, found in texts.items()},
    }


def main() -> None:
    """Measure, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/external"))
    parser.add_argument("--train-file", default="squad-train-v1.1.json")
    parser.add_argument("--dev-file", default="squad-dev-v1.1.json")
    parser.add_argument("--checkpoint", default="all-MiniLM-L6-v2")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--n-speed", type=int, default=256, help="examples of our speed runs")
    parser.add_argument("--n-yardstick", type=int, default=64, help="examples of its speed runs")
    parser.add_argument("--n-answers", type=int, default=1000, help="questions to answer")
    parser.add_argument("--n-f1", type=int, default=2000, help="examples to train on for F1")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of these trainings")
    parser.add_argument("--seeds", type=int, default=3, help="trainings a side for F1")
    options = parser.parse_args()
    options.source = find_checkpoint(options.checkpoint).name
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    torch.set_num_threads(options.threads)

    train = read_squad(options.data / options.train_file)
    dev = read_squad(options.data / options.dev_file)
    random.Random(13).shuffle(train)
    random.Random(13).shuffle(dev)
    tokenizer = AutoTokenizer.from_pretrained(options.source)
    peak = matrix_peak(options.threads)

    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = training_speeds(train, options, tokenizer, folder)
        if options.n_f1:
            lessons = train[: options.n_f1]
            yardstick_f1, ours_f1 = [], []
            for seed in range(1, options.seeds + 1):
                trained = train_ours(lessons, options, seed=seed, epochs=options.epochs)
                answers = [answer.text for answer in trained.answer_all(dev[: options.n_answers])]
                ours_f1.append(f1_of(dev[: options.n_answers], answers))
                if seed == 1:
                    reader = trained
                trainer, _ = yardstick_trainer(
                    yardstick_model(options.source, seed),
                    Features(tokenizer, lessons, training=True),
                    seed=seed,
                    epochs=options.epochs,
                    batch_size=options.batch_size,
                    folder=folder,
                )
                trainer.train()
                few = dev[: options.n_answers]
                found = yardstick_answers(trainer, Features(tokenizer, few, training=False), few)
                yardstick_f1.append(f1_of(few, found))
                print(
                    f"seed {seed}: F1 ours {ours_f1[-1]:.2f}, yardstick {yardstick_f1[-1]:.2f}",
                    flush=True,
                )
        else:
            # Agreement still needs a reader that has learned something.
            reader = train_ours(train[: options.n_speed], options, seed=1, epochs=3)
            yardstick_f1, ours_f1 = [], []
        answering = answering_speeds(reader, dev, options, tokenizer, folder)

    encoded = tokenizer(
        [e.question.lstrip() for e in train[: options.n_speed]],
        [e.context for e in train[: options.n_speed]],
        truncation="only_second",
        max_length=MAX_SEQ_LENGTH,
        stride=DOC_STRIDE,
        return_overflowing_tokens=True,
        padding=False,
    )
    lengths = [len(ids) for ids in encoded["input_ids"]]
    packs = reader.encoder.packs
    speed = statistics.median(ours)
    answer_speed = {k: statistics.median(v) for k, v in answering["speeds"].items()}
    f1 = answering["f1"]
    print(
        json.dumps(
            {
                "train_ratio": speed / statistics.median(theirs),
                "train_examples_per_s": speed,
                "train_examples_per_s_yardstick": statistics.median(theirs),
                "answer_ratio": answer_speed["ours"] / answer_speed["yardstick"],
                "answer_ratio_quantised": answer_speed["quantised"] / answer_speed["yardstick"],
                "answers_per_s": answer_speed,
                "padding_fraction": 0.0 if packs else None,
                "padding_fraction_yardstick": 1 - statistics.mean(lengths) / MAX_SEQ_LENGTH,
                "peak_gflops": peak / 1e9,
                "peak_fraction": speed * step_operations(reader.model.config, lengths) / peak,
                "answer_agreement": answering["answer_agreement"],
                "f1_yardstick": statistics.mean(yardstick_f1) if yardstick_f1 else f1["yardstick"],
                "f1_ours": statistics.mean(ours_f1) if ours_f1 else f1["ours"],
                "f1_yardstick_per_seed": yardstick_f1,
                "f1_ours_per_seed": ours_f1,
                "f1_float32_same_weights": f1["ours"],
                "f1_quantised": f1["quantised"],
                "mean_tokens": statistics.mean(lengths),
                "threads": options.threads,
                "batch_size": options.batch_size,
            }
        )
    )


if __name__ == "__main__":
    main()
