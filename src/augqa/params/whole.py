"""The typed schema of params.yaml and of every profile: strict, every fault named at once.

A stage loads its own sections alone, so that DVC can track them key by key.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    Field,
    GetCoreSchemaHandler,
    JsonValue,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import core_schema

from augqa import filters
from augqa.blends import KINDS, Recipe
from augqa.context_writer import CONTEXT_WRITERS
from augqa.errors import ParamsError
from augqa.params_text import fault_lines, nearest, read_yaml
from augqa.prompts import STYLES, Condition
from augqa.question_generator import QUESTION_GENERATORS
from augqa.registry import Registry, load_plugins
from augqa.schema import Fraction, Name, Section
from augqa.study.settings import StudySettings
from augqa.test_sets import Data

P = TypeVar("P", bound=BaseModel)


class Sections:
    """Adds to a section a key for each entry of a catalogue that has settings of its own."""

    def __init__(self, registry: Registry[Any]) -> None:
        self._registry = registry

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        keys: dict[str, Any] = {
            entry.name: (entry.settings, ...)
            for entry in self._registry
            if entry.settings is not None
        }
        return handler.generate_schema(create_model(source.__name__, __base__=source, **keys))


def _registered(registry: Registry[Any], name: str) -> str:
    """Return a name that is registered; a ValueError, as pydantic wants it, lists the others."""
    try:
        registry.get(name)
    except ParamsError as error:
        raise ValueError(str(error)) from error
    return name


class Prepare(Section):
    seed: int
    n_pool: int | None = Field(gt=0)
    n_seed_questions: int = Field(gt=0)
    n_reserve: int = Field(ge=0)


class ModelPrice(Section):
    """US dollars for a million tokens, and the day they were read off the price list."""

    prompt: float = Field(ge=0)
    completion: float = Field(ge=0)
    as_of: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")


# What the client makes itself: another value in `llm.extra_body` would change it in silence.
_OWN_BODY_KEYS = {
    "model": "llm.model",
    "messages": "the prompts",
    "max_tokens": "max_tokens of the stage",
    "max_completion_tokens": "max_tokens of the stage",
    "temperature": "llm.temperature",
    "top_p": "llm.top_p",
    "seed": "llm.seed",
    "stop": "the stage",
    "response_format": "generate_pairs.structured",
    "n": "generate_contexts.contexts_per_seed",
    "stream": "the client, which reads whole answers",
    "stream_options": "the client, which reads whole answers",
}


class Llm(Section):
    provider: Literal["embedded", "openai"]
    base_url: str | None
    model: str = Field(min_length=1)
    served_model: str | None = Field(min_length=1)
    api_key_env: str = Field(min_length=1)
    temperature: float | None = Field(ge=0, le=2)
    top_p: float | None = Field(gt=0, le=1)
    seed: int
    send_seed: bool
    send_stop: bool
    token_limit_param: Literal["max_tokens", "max_completion_tokens"]
    extra_body: dict[str, JsonValue]
    max_in_flight: int = Field(gt=0)
    max_retries: int = Field(ge=0)
    timeout_s: float = Field(gt=0)
    max_failed_fraction: Fraction
    requests_per_minute: int | None = Field(gt=0)
    tokens_per_minute: int | None = Field(gt=0)
    executor: Literal["online", "batch_file", "openai_batch"]
    batch_poll_s: float = Field(gt=0)
    max_cost: float | None = Field(ge=0)
    prices: dict[str, ModelPrice]

    @model_validator(mode="after")
    def extra_body_is_extra(self) -> Self:
        for key in self.extra_body:
            if key in _OWN_BODY_KEYS:
                raise ValueError(f"extra_body: {key!r} is set by {_OWN_BODY_KEYS[key]}")
        try:
            json.dumps(self.extra_body, allow_nan=False, ensure_ascii=False).encode("utf-8")
        except ValueError as error:
            raise ValueError(f"extra_body cannot be sent: {error}") from error
        return self


class GenerateContexts(Section):
    """What every context writer is given; the sections of their own come from their room."""

    writer: str
    seed: int
    contexts_per_seed: int = Field(gt=0)
    choose: Literal["all", "best"]
    styles: dict[str, Annotated[float, Field(ge=0)]]
    condition: Condition
    prompt: str | None
    max_words: int = Field(gt=0)
    max_tokens: int = Field(gt=0)
    repetition_penalty: float | None = Field(ge=1)

    @field_validator("writer")
    @classmethod
    def writer_is_registered(cls, writer: str) -> str:
        return _registered(CONTEXT_WRITERS, writer)

    @field_validator("styles")
    @classmethod
    def styles_are_known(cls, styles: dict[str, float]) -> dict[str, float]:
        for style in styles:
            if style not in STYLES and not style.endswith(".md"):
                raise ValueError(
                    f"style {style!r} is not one of {', '.join(STYLES)}, nor a prompt file of your"
                    f" own, such as prompts/tickets.md{nearest(style, STYLES)}"
                )
        if not any(styles.values()):
            raise ValueError("styles: no style has a weight above 0")
        return styles

    def own(self, name: str) -> Any:
        """Return the section of one writer; None where it has none."""
        return getattr(self, name, None)


class GeneratePairs(Section):
    """What every question generator is given; the sections of their own come from their room."""

    method: str
    pairs_per_context: int = Field(gt=0)
    real_contexts: bool

    @field_validator("method")
    @classmethod
    def method_is_registered(cls, method: str) -> str:
        return _registered(QUESTION_GENERATORS, method)

    def own(self, name: str) -> Any:
        """Return the section of one question generator; None where it has none."""
        return getattr(self, name, None)


class LoraAdapters(Section):
    rank: int = Field(gt=0)
    alpha: int = Field(gt=0)
    targets: list[str] | None = Field(min_length=1)


class GeneratorTraining(Section):
    """What differs between the kinds of question generators."""

    checkpoint: str = Field(min_length=1)
    layers: Literal["all"] | Annotated[int, Field(gt=0)]
    lora: LoraAdapters | None
    learning_rate: float = Field(gt=0)


class CausalTraining(GeneratorTraining):
    share_contexts: bool


class TrainQuestionGenerator(Section):
    seed: int
    n_examples: int | None = Field(gt=0)
    epochs: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    pass_tokens: int = Field(gt=0)
    max_source_tokens: int = Field(ge=32)
    max_question_tokens: int = Field(gt=1)
    warmup_fraction: Fraction
    weight_decay: float = Field(ge=0)
    max_grad_norm: float = Field(gt=0)
    threads: int = Field(gt=0)
    causal: CausalTraining
    seq2seq: GeneratorTraining


class TrainContextWriter(GeneratorTraining):
    seed: int
    n_examples: int | None = Field(gt=0)
    style: str = Field(min_length=1)
    epochs: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    pass_tokens: int = Field(gt=0)
    max_prompt_tokens: int = Field(ge=16)
    max_context_tokens: int = Field(ge=32)
    warmup_fraction: Fraction
    weight_decay: float = Field(ge=0)
    max_grad_norm: float = Field(gt=0)
    threads: int = Field(gt=0)


class AnswerRoundTrip(Section):
    checkpoint: str | None
    engine: Literal["float32", "int8"]


class SentenceEncoder(Section):
    checkpoint: str = Field(min_length=1)
    max_tokens: int = Field(gt=2)
    batch_size: int = Field(gt=0)
    threads: int = Field(gt=0)


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


class ByKind:
    """Validates an entry by the schema that its `kind` has in a catalogue, plug-ins included."""

    def __get_pydantic_core_schema__(
        self, _source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.tagged_union_schema(
            {kind.name: handler.generate_schema(kind.knobs) for kind in KINDS},
            discriminator="kind",
        )


class OfFilters:
    """Validates a section by the keys of all filters, plug-ins included."""

    def __get_pydantic_core_schema__(
        self, _source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return handler.generate_schema(filters.schema())


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
    measure_quality: MeasureQuality
    blend: dict[Name, Annotated[Recipe, ByKind()]]
    reader: Reader
    train: Train
    evaluate: Evaluate
    study: StudySettings
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
    values = read_yaml(path)
    if isinstance(plugins := values.get("plugins"), list) and plugins:
        load_plugins([str(name) for name in plugins])
        # A plug-in may have added to a catalogue since the schema was made.
        Params.model_rebuild(force=True)
    return _check(values, Params, where=str(path))


def _check(values: Any, model: type[P], *, where: str) -> P:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ParamsError(fault_lines(error, values, where)) from error
