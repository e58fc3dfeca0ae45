"""The whole of params.yaml: its sections, and what holds between them."""

import traceback
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    model_validator,
)

from augqa.blends import KINDS, Recipe
from augqa.context_writer import CONTEXT_WRITERS
from augqa.errors import ParamsError
from augqa.executor.settings import ExecutorSettings
from augqa.params.catalogues import ByKind, OfFilters, Sections
from augqa.params.generating import (
    GenerateContexts,
    GeneratePairs,
    Llm,
    TrainContextWriter,
    TrainQuestionGenerator,
)
from augqa.params_text import fault_lines, nearest, other_keys, read_yaml
from augqa.question_generator import QUESTION_GENERATORS
from augqa.registry import load_plugins
from augqa.schema import Fraction, Name, PositiveInt, Section
from augqa.study.settings import StudySettings
from augqa.test_sets import Data

P = TypeVar("P", bound=BaseModel)


class Prepare(Section):
    seed: int
    n_pool: int | None = Field(gt=0)
    n_seed_questions: int = Field(gt=0)
    n_reserve: int = Field(ge=0)
    # Without them only a context that is one of a test set, character for character, is left out.
    max_test_overlap_fraction: Fraction | None = None
    test_overlap_words: PositiveInt = 8


class AnswerRoundTrip(Section):
    checkpoint: str | None
    engine: Literal["float32", "int8"]


class SentenceEncoder(Section):
    checkpoint: str = Field(min_length=1)
    max_tokens: int = Field(gt=2)
    batch_size: int = Field(gt=0)
    threads: int = Field(gt=0)


class JudgePairs(Section):
    max_tokens: int = Field(gt=0)
    structured: bool
    prompt: str | None


class MeasureQuality(Section):
    seed: int
    n_sample: int = Field(gt=0)
    n_self_bleu: int = Field(gt=0)
    n_folds: int = Field(ge=2)
    n_sampled_pairs: int = Field(gt=0)
    encoder: SentenceEncoder


class Gates(Section):
    max_question_word_drift: float = Field(gt=0)
    max_length_drift: float = Field(gt=0)


class Reader(Section):
    checkpoint: str = Field(min_length=1)
    max_seq_length: int = Field(ge=32)
    doc_stride: int = Field(gt=0)
    max_answer_tokens: int = Field(gt=0)
    n_best: int = Field(gt=0)
    threads: int = Field(gt=0)

    @model_validator(mode="after")
    def stride_leaves_overlap(self) -> Self:
        if self.doc_stride >= self.max_seq_length:
            raise ValueError(
                f"doc_stride {self.doc_stride} must be below max_seq_length {self.max_seq_length}"
            )
        return self


class Train(Section):
    epochs: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    warmup_fraction: Fraction
    weight_decay: float = Field(ge=0)
    max_grad_norm: float = Field(gt=0)
    precision: Literal["float32", "bfloat16"]
    pass_tokens: int = Field(gt=0)
    compile: bool
    held_out_fraction: float = Field(ge=0, lt=1)
    patience: int = Field(gt=0)


class Evaluate(Section):
    seed: int
    n_questions: int | None = Field(gt=0)
    batch_size: int = Field(gt=0)
    engine: Literal["float32", "int8"]


class Tracking(Section):
    experiment: str = Field(min_length=1)


class Params(Section):
    """The whole of params.yaml."""

    plugins: list[str]
    reproducible: Literal["machine", "x86_64"]
    regimes: list[Name]
    training_seeds: list[int] = Field(min_length=1)
    question_generators: list[Literal["causal", "seq2seq"]]
    context_writers: list[Literal["causal"]]
    judged: list[Literal["kept"]] = Field(max_length=1)
    data: Data
    prepare: Prepare
    llm: Llm
    generate_contexts: Annotated[GenerateContexts, Sections(CONTEXT_WRITERS)]
    train_context_writer: TrainContextWriter
    train_question_generator: TrainQuestionGenerator
    generate_pairs: Annotated[GeneratePairs, Sections(QUESTION_GENERATORS)]
    answer_round_trip: AnswerRoundTrip
    filter_pairs: Annotated[Section, OfFilters()]
    gates: Gates
    judge_pairs: JudgePairs
    measure_quality: MeasureQuality
    blend: dict[Name, Annotated[Recipe, ByKind()]]
    reader: Reader
    train: Train
    evaluate: Evaluate
    study: StudySettings
    executor: ExecutorSettings
    tracking: Tracking

    @model_validator(mode="after")
    def regimes_are_recipes(self) -> Self:
        if self.blend.get("real") is None or self.blend["real"].kind != "real":
            raise ValueError("blend.real: there must be a recipe of this name, of kind real")
        for regime in self.regimes:
            if regime == "real":
                raise ValueError("regimes: 'real' always runs; leave it out of the list")
            if regime not in self.blend:
                known = ", ".join(name for name in self.blend if name != "real")
                raise ValueError(
                    f"regimes: {regime!r} is no recipe of `blend`: {known}"
                    f"{nearest(regime, self.blend)}"
                )
        if len(set(self.regimes)) != len(self.regimes):
            raise ValueError(f"regimes: one stands twice in {self.regimes}")
        if len(set(self.training_seeds)) != len(self.training_seeds):
            raise ValueError(f"training_seeds: one stands twice in {self.training_seeds}")
        return self

    @model_validator(mode="after")
    def bytes_of_every_processor_are_in_float32(self) -> Self:
        trained = {
            "train_context_writer": self.context_writers and self.train_context_writer,
            "train_question_generator": self.question_generators and self.train_question_generator,
            "train": self.train,
        }
        for name, section in trained.items():
            if self.reproducible == "x86_64" and section and section.precision == "bfloat16":
                raise ValueError(
                    f"{name}.precision: bfloat16 adds up in another order on each kind of"
                    " processor; set it to float32, or reproducible to machine"
                )
        return self

    @model_validator(mode="after")
    def study_names_recipes(self) -> Self:
        faults = self.study.faults(set(self.blend))
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @model_validator(mode="after")
    def trained_generator_is_there(self) -> Self:
        if len(set(self.question_generators)) != len(self.question_generators):
            raise ValueError(f"question_generators: one stands twice in {self.question_generators}")
        own = self.generate_pairs
        needs_one = own.method == "trained" and own.own("trained").checkpoint is None
        if needs_one and not self.question_generators:
            raise ValueError(
                "generate_pairs.method trained needs a question generator: name its kind in"
                " question_generators, or a folder in generate_pairs.trained.checkpoint"
            )
        return self

    @model_validator(mode="after")
    def trained_writer_is_there(self) -> Self:
        own = self.generate_contexts
        needs_one = own.writer == "trained" and own.own("trained").checkpoint is None
        if needs_one and not self.context_writers:
            raise ValueError(
                "generate_contexts.writer trained needs a context writer: set context_writers to"
                " [causal], or name a folder in generate_contexts.trained.checkpoint"
            )
        if needs_one:
            learned = self.train_context_writer.style
            for style, weight in own.styles.items():
                if weight > 0 and style != learned:
                    raise ValueError(
                        f"generate_contexts.styles: {style!r} is no style of the writer, which"
                        f" train_context_writer.style has learn {learned!r}"
                        f"{nearest(style, [learned])}"
                    )
        return self

    @model_validator(mode="after")
    def judged_pairs_are_there(self) -> Self:
        for regime in self.regimes:
            choosers = getattr(self.blend[regime], "choose", ())
            if any(chooser.kind == "judged" for chooser in choosers) and not self.judged:
                raise ValueError(
                    f"blend.{regime}.choose goes by what judge_pairs says: set judged to [kept]"
                )
        return self

    @model_validator(mode="after")
    def real_contexts_have_pairs(self) -> Self:
        for regime in self.regimes:
            needs = KINDS.get(self.blend[regime].kind).needs_real_contexts
            if needs and not self.generate_pairs.real_contexts:
                raise ValueError(
                    f"regime {regime} needs pairs on real contexts:"
                    " set generate_pairs.real_contexts to true"
                )
        return self


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check the whole of params.yaml; one ParamsError names every wrong key.

    Raises:
        ParamsError: If the file cannot be read, is not YAML, or breaks the schema.
    """
    return _load(read_yaml(path), path)


# Keys that came after studies had been kept, and what was so before there was a choice.
_BEFORE: dict[str, Any] = {
    "executor": {
        "kind": "local",
        "n_workers": None,
        "cpus_per_worker": 1.0,
        "gpus_per_worker": 0.0,
        "object_store_mib": 1024,
        "lost_cluster_wait_s": 300,
    },
    "filter_pairs.min_content_words": None,
    "generate_pairs.candidates": "rules",
    "train_context_writer.precision": "float32",
    "train_question_generator.precision": "float32",
    "llm.cached_as": None,
    "llm.headers": {},
}


def load_kept_params(path: Path) -> Params:
    """Read the params of a kept study, which may be from before some of the keys.

    Raises:
        ParamsError: As `load_params`; that another version kept it, where it has other keys.
    """
    values = read_yaml(path)
    for key, value in _BEFORE.items():
        *sections, last = key.split(".")
        inside: Any = values
        for section in sections:
            inside = inside.get(section) if isinstance(inside, dict) else None
        if isinstance(inside, dict):
            inside.setdefault(last, value)
    _load_plugins(values, str(path))
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        if not (keys := other_keys(error, values)):
            raise ParamsError(fault_lines(error, values, str(path))) from error
        raise ParamsError(
            f"{path}: an older version of augqa kept this study: this one {keys}.\nRun the study"
            f" again, or go back to the version that kept it: `git log -1 {path}` names it."
        ) from error


def _load(values: dict[str, Any], path: Path) -> Params:
    _load_plugins(values, str(path))
    return _check(values, Params, where=str(path))


def _load_plugins(values: dict[str, Any], where: str) -> None:
    plugins = values.get("plugins")
    if not isinstance(plugins, list):
        return
    # What is no text is refused with all other faults.
    names = [name for name in plugins if isinstance(name, str)]
    for name in names:
        try:
            load_plugins([name])
        except ParamsError as error:
            raise ParamsError(f"{where}: {error}") from error
        # Whatever the user's own code raises.
        except Exception as error:
            said = " ".join(f"{type(error).__name__}: {error}".split())
            *_, at = traceback.extract_tb(error.__traceback__)
            raise ParamsError(
                f"{where}: plugins: {name} cannot be imported: {said}"
                f" ({at.filename}, line {at.lineno})"
            ) from error
    if names:
        # A plug-in may have added to a catalogue since the schema was made.
        Params.model_rebuild(force=True)


def _check(values: Any, model: type[P], *, where: str) -> P:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ParamsError(fault_lines(error, values, where)) from error
