"""What is asked of a study, said in params before it runs."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from augqa.schema import Name, Section

Money = Annotated[float, Field(ge=0)]


class Primary(Section):
    """A comparison that is named before the run.

    Attributes:
        recipe: What is tried.
        control: The recipe it is held against; null where none runs, which the results then say.
        asks: What the control stands for, to stand behind "against"; null for the words that are
            known for its name.
    """

    recipe: Name
    control: Name | None
    asks: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def two_recipes(self) -> Self:
        if self.recipe == self.control:
            raise ValueError(f"{self.recipe} is compared with itself")
        return self


class Costs(Section):
    """Money for one of each; null where it is not known."""

    real_example: Money | None
    # null: what the language model's tokens cost, where llm.prices has its price
    generated_pair: Money | None


class StudySettings(Section):
    primary: list[Primary] = Field(max_length=3)
    costs: Costs
    champion: Name | None
    mentioned_articles: bool
    # Over seeds: of all recipes together, of the two that are compared (Welch), or of the
    # differences seed by seed
    intervals: Literal["pooled", "own", "paired"] = "pooled"

    @model_validator(mode="after")
    def each_is_named_once(self) -> Self:
        named = [(one.recipe, one.control) for one in self.primary]
        if len(set(named)) != len(named):
            raise ValueError(f"primary: a comparison stands twice in {named}")
        return self

    def faults(self, recipes: set[str]) -> list[str]:
        """Return what names no recipe of `blend`."""
        wanted = {
            **{
                f"study.primary.{n}.{key}": name
                for n, one in enumerate(self.primary)
                for key, name in (("recipe", one.recipe), ("control", one.control))
            },
            "study.champion": self.champion,
        }
        return [
            f"{key}: {name!r} is no recipe of `blend`: {', '.join(sorted(recipes))}"
            for key, name in wanted.items()
            if name is not None and name not in recipes
        ]
