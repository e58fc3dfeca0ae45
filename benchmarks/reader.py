"""The reader against the usual recipe: training and answering speed, and the same scores.

The yardstick is the recipe of the transformers question-answering example, written anew for
this project: Trainer, windows padded to max_seq_length, default collator, float32, n-best
search in Python. Both sides have the same model, examples, hyperparameters and threads, and
take turns. The last line is one JSON object; what was not measured is null there.

    python benchmarks/reader.py --data data/external                  # all of it: hours
    python benchmarks/reader.py --data DIR --parts training,answering # speed: some minutes
    python benchmarks/reader.py --data DIR --parts f1                 # each training on its own
    python benchmarks/reader.py --data DIR --parts eight_bits         # of the readers of part f1

Each result is kept in results.jsonl in the folder --out as soon as it is there: started again
with the same options, the benchmark measures only what is missing. Several processes may share
the folder, as long as each has sides or seeds of its own:

    python benchmarks/reader.py --threads 1 --parts f1 --sides yardstick &
    python benchmarks/reader.py --threads 1 --parts f1 --sides ours
"""

import argparse
import hashlib
import itertools
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from command import run_command
from torch.utils.data import Dataset
from transformers import (
    AutoModelForQuestionAnswering,
    AutoTokenizer,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    default_data_collator,
)
from transformers.utils import logging as transformers_logging

from augqa.checkpoint_source import find_checkpoint
from augqa.errors import AugQAError
from augqa.formats import read_examples
from augqa.reader import Reader, train_reader
from augqa.records import QAExample
from augqa.scoring import score

MAX_SEQ_LENGTH = 384
DOC_STRIDE = 128
MAX_ANSWER_TOKENS = 30
N_BEST = 20
WARMUP_FRACTION = 0.1
# What both sides name alike.
OPTIMISER = {"learning_rate": 2e-4, "weight_decay": 0.01, "max_grad_norm": 1.0}
PARTS = ("training", "answering", "f1", "eight_bits")
SIDES = ("ours", "yardstick")
N_PRODUCTS = 6  # of one run of the matrix-product peak

Record = dict[str, Any]

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
    model: Any,
    features: Features,
    *,
    seed: int,
    epochs: int,
    batch_size: int,
    bf16: bool,
    folder: str,
) -> tuple[Any, EpochClock]:
    """Return the recipe's Trainer, and a clock of its epochs."""
    clock = EpochClock()
    arguments = TrainingArguments(
        output_dir=folder,
        per_device_train_batch_size=batch_size,
        per_device_eval_batch_size=batch_size,
        num_train_epochs=epochs,
        warmup_steps=round(WARMUP_FRACTION * epochs * -(-len(features) // batch_size)),
        seed=seed,
        bf16=bf16,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        **OPTIMISER,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=features,
        data_collator=default_data_collator,
        callbacks=[clock],
    )
    trainer.remove_callback(PrinterCallback)
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
    precision: Literal["float32", "bfloat16"] | None = None,
    on_epoch: Callable[[int, float], None] | None = None,
) -> Reader:
    """Train our reader with the settings of the yardstick, or in another precision."""
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
        warmup_fraction=WARMUP_FRACTION,
        precision=precision or options.precision,
        on_epoch=on_epoch,
        **OPTIMISER,
    )
    return reader


# ---- measuring


class Kept:
    """Results in a JSON-lines file, so that an interrupted run goes on where it was.

    Args:
        path: The file; its folder is made.
        settings: What all results depend on; others in the file do not count.
    """

    def __init__(self, path: Path, settings: Record) -> None:
        self._path = path
        self._settings = settings
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def once(self, measure: Callable[[], Record], **key: Any) -> None:
        """Measure, keep and print, unless a result of this key is there."""
        if self.find(**key):
            return
        record = {**key, **measure(), "settings": self._settings}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        shown = {name: value for name, value in record.items() if name != "settings"}
        print(json.dumps(shown), flush=True)

    def find(self, **key: Any) -> list[Record]:
        """Return the results of these settings that have all of `key`."""
        wanted = {**key, "settings": self._settings}.items()
        lines = self._path.read_text(encoding="utf-8").splitlines()  # others may write, too
        records = [json.loads(line) for line in lines]
        return [r for r in records if all(r.get(name) == v for name, v in wanted)]


def matrix_peak(threads: int) -> float:
    """Return the most floating-point operations a second of large products.

    The higher rate of two ways to run them: each shared by all threads, or one a thread, as
    the reader does.
    """
    rates = []
    for n_workers in {1, threads}:
        factors = [torch.randn(2, 2048, 2048) for _ in range(n_workers)]

        def multiply(pair: torch.Tensor, share: int = threads // n_workers) -> None:
            torch.set_num_threads(share)
            out = torch.empty(2048, 2048)
            for _ in range(N_PRODUCTS):
                torch.mm(pair[0], pair[1], out=out)

        with ThreadPoolExecutor(n_workers) as pool:
            list(pool.map(multiply, factors))  # warm
            for _ in range(3):
                begin = time.perf_counter()
                list(pool.map(multiply, factors))
                passed = time.perf_counter() - begin
                rates.append(n_workers * N_PRODUCTS * 2 * 2048**3 / passed)
    torch.set_num_threads(threads)
    return max(rates)


def step_operations(config: Any, lengths: Sequence[int]) -> float:
    """Return the operations of the products of a training step over windows.

    A product of the forward pass has two in the backward pass. Embeddings, norms and the
    optimiser have none.
    """
    h, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    linear = 2 * layers * (4 * h * h + 2 * h * inner)
    return 3 * float(sum(length * (linear + 4 * layers * length * h) for length in lengths))


def f1_of(examples: Sequence[QAExample], answers: Sequence[str]) -> float:
    """Return F1 in percent."""
    golds = {example.id: [answer.text for answer in example.answers] for example in examples}
    predictions = {e.id: text for e, text in zip(examples, answers, strict=True)}
    return score(golds, predictions).f1


def texts_of(reader: Reader, examples: Sequence[QAExample], cache: Path | None = None) -> list[str]:
    """Answer with ours; tokenising is part of it, unless the tokens are in `cache`."""
    return [answer.text for answer in reader.answer_all(examples, cache=cache)]


class Bench:
    """The measurements, each of them once.

    Args:
        options: Of the command line.
        train: Examples to train on, shuffled.
        dev: Questions to answer, shuffled.
        kept: Takes the results.
        scratch: Folder for what Trainer insists on writing.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        train: Sequence[QAExample],
        dev: Sequence[QAExample],
        kept: Kept,
        scratch: str,
    ) -> None:
        self._options = options
        self._train = train
        self._dev = dev
        self._kept = kept
        self._scratch = scratch
        self._tokenizer = AutoTokenizer.from_pretrained(options.source)

    def training(self) -> None:
        """Measure how fast both sides train, in turns."""
        for turn in range(1, self._options.rounds + 1):
            self._kept.once(self._training_speeds, part="training_speed", round=turn)

    def answering(self) -> None:
        """Measure how fast all sides answer with the same weights, in turns."""
        folder, name = self._some_reader()
        sides = self._answering_sides(folder, self._dev[: self._options.n_answers])
        for turn in range(1, self._options.rounds + 1):
            self._kept.once(
                lambda: self._answering_speeds(sides), part="answering_speed", round=turn, of=name
            )

    def f1(self) -> None:
        """Train both sides with each seed, and compare their answers."""
        train = {"ours": self._ours_f1, "yardstick": self._yardstick_f1}
        for seed, side in itertools.product(self._options.seeds, self._options.sides):
            self._kept.once(
                lambda side=side, seed=seed: train[side](seed), part="f1", side=side, seed=seed
            )
            if (side, seed) == ("ours", 1):
                self._kept.once(self._agreement, part="agreement", of="seed 1")

    def eight_bits(self) -> None:
        """Compare both engines on all questions, with the readers of part f1."""
        for seed in self._options.seeds:
            if not self._reader_folder(f"seed {seed}").is_dir():
                raise AugQAError(f"no reader of seed {seed} in {self._scratch}: first --parts f1")
            self._kept.once(
                lambda seed=seed: self._both_engines(seed), part="eight_bits", seed=seed
            )

    def _training_speeds(self) -> Record:
        """Train both sides on the same examples; the second of two epochs counts."""
        options = self._options
        lessons = self._train[: options.n_speed]
        peak = matrix_peak(options.threads)
        reader, ours = _timed_training(lessons, options, options.precision)
        exact = ours
        if options.precision != "float32":
            _, exact = _timed_training(lessons, options, "float32")
        features = Features(self._tokenizer, lessons, training=True)
        trainer, clock = self._trainer(yardstick_model(options.source, 1), features, epochs=2)
        trainer.train()
        lengths = [sum(row["attention_mask"]) for row in features.rows]
        return {
            "ours": ours,
            "ours_float32": exact,
            "yardstick": len(lessons) / (clock.ends[1] - clock.ends[0]),
            "peak_gflops": peak / 1e9,  # in float32
            "peak_fraction_float32": exact
            * (step_operations(reader.model.config, lengths) / len(lessons))
            / peak,
            "mean_tokens": statistics.mean(lengths),
            "padding_fraction": 0.0 if reader.encoder.packs else None,
            "padding_fraction_yardstick": 1 - statistics.mean(lengths) / MAX_SEQ_LENGTH,
        }

    def _some_reader(self) -> tuple[Path, str]:
        """Return a reader that has learned something: that of part f1, or a short training's."""
        folder = self._reader_folder("seed 1")
        if self._kept.find(part="f1", side="ours", seed=1) and folder.is_dir():
            return folder, "seed 1"
        folder = self._reader_folder("short")
        if not (folder / "reader.json").is_file():  # written last
            lessons = self._train[: self._options.n_short]
            train_ours(lessons, self._options, seed=1, epochs=self._options.epochs).save(folder)
        return folder, "short training"

    def _reader_folder(self, name: str) -> Path:
        return Path(self._scratch) / name.replace(" ", "-")

    def _answering_sides(
        self, folder: Path, few: Sequence[QAExample]
    ) -> dict[str, Callable[[], list[str]]]:
        """Return what each side does to answer; both have the tokens at hand."""
        threads = self._options.threads
        features = Features(self._tokenizer, few, training=False)
        trainer = self._trainer(AutoModelForQuestionAnswering.from_pretrained(folder), features)[0]
        exact = Reader.load(folder, threads=threads)
        coarse = Reader.load(folder, threads=threads, engine="int8")
        cache = Path(self._scratch) / "features"
        questions, contexts = [e.question for e in few], [e.context for e in few]
        exact.windows(questions, contexts, cache=cache)
        return {
            "ours": lambda: texts_of(exact, few, cache),
            "yardstick": lambda: yardstick_answers(trainer, features, few),
            "quantised": lambda: texts_of(coarse, few, cache),
        }

    def _answering_speeds(self, sides: dict[str, Callable[[], list[str]]]) -> Record:
        few = self._dev[: self._options.n_answers]
        speeds: dict[str, float] = {}
        texts: dict[str, list[str]] = {}
        for name, answer in sides.items():
            torch.set_num_threads(self._options.threads)
            begin = time.perf_counter()
            texts[name] = answer()
            speeds[name] = len(few) / (time.perf_counter() - begin)
        return {
            **speeds,
            "agreement": _agreement(texts["ours"], texts["yardstick"]),
            "f1": {name: f1_of(few, found) for name, found in texts.items()},
        }

    def _ours_f1(self, seed: int) -> Record:
        options = self._options
        begin = time.perf_counter()
        reader = train_ours(self._train[: options.n_f1], options, seed=seed, epochs=options.epochs)
        passed = time.perf_counter() - begin
        folder = self._reader_folder(f"seed {seed}")
        reader.save(folder)
        few = self._dev[: options.n_f1_answers]
        return {"f1": f1_of(few, texts_of(reader, few)), "training_s": passed}

    def _both_engines(self, seed: int) -> Record:
        folder, n_few = self._reader_folder(f"seed {seed}"), self._options.n_f1_answers
        exact, coarse = (
            texts_of(Reader.load(folder, threads=self._options.threads, engine=engine), self._dev)
            for engine in ("float32", "int8")
        )
        few = self._dev[:n_few]
        return {
            "f1": f1_of(few, exact[:n_few]),
            "f1_quantised": f1_of(few, coarse[:n_few]),
            "n_all": len(self._dev),
            "f1_all": f1_of(self._dev, exact),
            "f1_all_quantised": f1_of(self._dev, coarse),
            "agreement": _agreement(exact, coarse),
        }

    def _agreement(self) -> Record:
        few = self._dev[: self._options.n_f1_answers]
        sides = self._answering_sides(self._reader_folder("seed 1"), few)
        return {"agreement": _agreement(sides["ours"](), sides["yardstick"]())}

    def _yardstick_f1(self, seed: int) -> Record:
        options = self._options
        torch.set_num_threads(options.threads)
        lessons, few = self._train[: options.n_f1], self._dev[: options.n_f1_answers]
        trainer, _ = self._trainer(
            yardstick_model(options.source, seed),
            Features(self._tokenizer, lessons, training=True),
            seed=seed,
            epochs=options.epochs,
        )
        begin = time.perf_counter()
        trainer.train()
        passed = time.perf_counter() - begin
        found = yardstick_answers(trainer, Features(self._tokenizer, few, training=False), few)
        return {"f1": f1_of(few, found), "training_s": passed}

    def _trainer(
        self, model: Any, features: Features, *, seed: int = 1, epochs: int = 1
    ) -> tuple[Any, EpochClock]:
        torch.set_num_threads(self._options.threads)
        return yardstick_trainer(
            model,
            features,
            seed=seed,
            epochs=epochs,
            batch_size=self._options.batch_size,
            bf16=self._options.precision == "bfloat16",
            folder=str(Path(self._scratch) / "trainer"),
        )


def _timed_training(
    lessons: Sequence[QAExample], options: argparse.Namespace, precision: Any
) -> tuple[Reader, float]:
    """Train for two epochs; return the reader, and the examples a second of the second one."""
    ends: list[float] = []
    reader = train_ours(
        lessons,
        options,
        seed=1,
        epochs=2,
        precision=precision,
        on_epoch=lambda *_: ends.append(time.perf_counter()),
    )
    return reader, len(lessons) / (ends[1] - ends[0])


def _agreement(ours: Sequence[str], theirs: Sequence[str]) -> float:
    return statistics.mean(a == b for a, b in zip(ours, theirs, strict=True))


def summary(kept: Kept) -> Record:
    """Return the last line: medians of speeds, means of F1, None for what was not measured."""
    training, answering = kept.find(part="training_speed"), kept.find(part="answering_speed")
    # Rates of two readers are not mixed: those of the last one count.
    answering = [r for r in answering if r["of"] == answering[-1]["of"]]
    trained = {side: kept.find(part="f1", side=side) for side in ("ours", "yardstick")}
    eight_bits = kept.find(part="eight_bits")

    def median(records: list[Record], name: str) -> Any:
        return statistics.median(r[name] for r in records) if records else None

    def ratio(records: list[Record], name: str, to: str = "yardstick") -> Any:
        # Of each round: what slows the machine down slows both sides of it.
        return statistics.median(r[name] / r[to] for r in records) if records else None

    def mean(records: list[Record], name: str) -> Any:
        return statistics.mean(r[name] for r in records) if records else None

    agreed = kept.find(part="agreement") or answering
    return {
        "train_ratio": ratio(training, "ours"),
        "train_ratio_to_float32": ratio(training, "ours", to="ours_float32"),
        "answer_ratio": ratio(answering, "ours"),
        "answer_ratio_quantised": ratio(answering, "quantised"),
        "padding_fraction": median(training, "padding_fraction"),
        "padding_fraction_yardstick": median(training, "padding_fraction_yardstick"),
        "peak_fraction_float32": median(training, "peak_fraction_float32"),
        "peak_gflops": median(training, "peak_gflops"),
        "mean_tokens": median(training, "mean_tokens"),
        "answer_agreement": agreed[-1]["agreement"] if agreed else None,
        "f1_yardstick": mean(trained["yardstick"], "f1"),
        "f1_ours": mean(trained["ours"], "f1"),
        "f1_quantised": mean(eight_bits, "f1_quantised"),
        "f1_loss_quantised": {
            str(r["seed"]): r["f1_all"] - r["f1_all_quantised"] for r in eight_bits
        },
        "f1_per_seed": {
            side: {str(r["seed"]): r["f1"] for r in records} for side, records in trained.items()
        },
        "f1_same_weights": answering[-1]["f1"] if answering else None,
        "train_examples_per_s": {s: median(training, s) for s in ("ours", "yardstick")},
        "answers_per_s": {s: median(answering, s) for s in ("ours", "yardstick", "quantised")},
        "n_rounds": len(training),
    }


def main() -> None:
    """Measure what is not measured yet, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/external"))
    parser.add_argument("--train-file", default="squad-train-v1.1.json")
    parser.add_argument("--dev-file", default="squad-dev-v1.1.json")
    parser.add_argument("--parts", default=",".join(PARTS), help="some of " + ",".join(PARTS))
    parser.add_argument("--out", type=Path, default=Path(".cache/benchmarks/reader"))
    parser.add_argument("--checkpoint", default="all-MiniLM-L6-v2")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=8, help="windows of a step, both sides")
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        default="float32",
        help="of the trainings, both sides; bfloat16 is for processors that have it",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--n-speed", type=int, default=64, help="examples of the speed runs")
    parser.add_argument("--n-short", type=int, default=256, help="to train on before answering")
    parser.add_argument("--n-answers", type=int, default=400, help="questions of the speed runs")
    parser.add_argument("--n-f1", type=int, default=2000, help="examples to train on for F1")
    parser.add_argument("--n-f1-answers", type=int, default=1000, help="questions for F1")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of the trainings for F1")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of part f1")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES, help="of part f1")
    options = parser.parse_args()
    parts = options.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"--parts: no part {', '.join(sorted(unknown))}; choose of {', '.join(PARTS)}")
    options.source = find_checkpoint(options.checkpoint, param="--checkpoint").name
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    torch.set_num_threads(options.threads)

    train = list(read_examples(options.data / options.train_file).examples)
    dev = list(read_examples(options.data / options.dev_file).examples)
    random.Random(13).shuffle(train)
    random.Random(13).shuffle(dev)
    # More rounds, seeds or parts are added to what is there; anything else is another benchmark.
    free = ("parts", "out", "data", "source", "rounds", "seeds", "sides")
    settings = {name: value for name, value in vars(options).items() if name not in free}
    kept = Kept(options.out / "results.jsonl", settings)
    name = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
    bench = Bench(options, train, dev, kept, str(options.out / name))
    for part in parts:
        getattr(bench, part)()
    print(json.dumps({**summary(kept), **settings}))


if __name__ == "__main__":
    run_command(main)
