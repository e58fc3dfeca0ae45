"""The schema of each kind's entry in params.yaml: its knobs."""

from typing import Annotated, Literal

from pydantic import Field

from augqa.blends.degrading import (
    Grade,
)
from augqa.blends.selecting import Chooser
from augqa.schema import Fraction, PositiveInt, Section


class Recipe(Section):
    """What each kind's knobs begin with."""

    kind: str


# Other generated contexts that stand beside each example's own
Distractors = Annotated[int, Field(ge=0, le=20)]
PairSource = Literal["kept", "unfiltered", "pseudo_label"]


class RealRecipe(Recipe):
    kind: Literal["real"]
    n_examples: PositiveInt | None  # null: all of the pool


class RealLongerRecipe(Recipe):
    kind: Literal["real_longer"]
    n_real: PositiveInt | None = None  # null: all of the pool
    # As many updates as an `augment` with so many generated examples for each real one
    copies_per_real: Annotated[float, Field(gt=0)]


class RealMoreRecipe(Recipe):
    kind: Literal["real_more"]
    n_real: PositiveInt | None = None
    # So many examples of the reserve for each real one; null: the whole reserve
    reserve_per_real: Annotated[float, Field(gt=0)] | None


class CopiesRecipe(Recipe):
    kind: Literal["copies"]
    n_real: PositiveInt | None = None
    copies_per_real: Annotated[float, Field(gt=0)]


class GeneratedRecipe(Recipe):
    kind: Literal["generated"]
    n_examples: PositiveInt | None
    pairs: PairSource = "kept"
    grade: Grade | None = None
    choose: list[Chooser] = Field(default_factory=list)
    distractors: Distractors = 0


class MixRecipe(Recipe):
    kind: Literal["mix"]
    n_examples: PositiveInt
    generated_fraction: Fraction
    pairs: PairSource = "kept"
    grade: Grade | None = None
    choose: list[Chooser] = Field(default_factory=list)
    distractors: Distractors = 0


class _Adding(Recipe):
    n_real: PositiveInt | None = None
    # null: as many as there are; then generated_share of them
    generated_per_real: Annotated[float, Field(gt=0)] | None
    generated_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    grade: Grade | None = None
    choose: list[Chooser] = Field(default_factory=list)
    distractors: Distractors = 0


class AugmentRecipe(_Adding):
    kind: Literal["augment"]
    pairs: PairSource = "kept"


class UnfilteredRecipe(_Adding):
    kind: Literal["unfiltered"]


class PseudoLabelRecipe(_Adding):
    kind: Literal["pseudo_label"]


class ContextOnlyRecipe(Recipe):
    kind: Literal["context_only"]
    n_examples: PositiveInt | None
    distractors: Distractors = 0


class QuestionOnlyRecipe(Recipe):
    kind: Literal["question_only"]
    n_examples: PositiveInt | None
    distractors: Distractors = 0
