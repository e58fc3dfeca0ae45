"""What is known of each question generator without loading it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augqa.candidates import Chooser, by_rules
from augqa.executor.face import Executor
from augqa.executor.local import LOCAL
from augqa.registry import Registry, resolve
from augqa.schema import Section

if TYPE_CHECKING:
    from augqa.params import Llm
    from augqa.question_generator.proposals import QuestionGenerator


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A question generator that `generate_pairs.method` can name.

    Attributes:
        name: By which generate_pairs.method names it.
        settings: Schema of its own section under generate_pairs; None: it has none.
        load: ``module:function``; called with the settings and with what the stage gives, it
            returns the generator. A string, so that params are checked without torch.
        title: Who makes the pairs, for the report: ``{llm}`` stands for the language model's
            name, any other name in braces for that one of the settings.
    """

    name: str
    settings: type[Section] | None
    load: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the stage gives to every question generator.

    Attributes:
        n_pairs: Pairs to ask for, of each context.
        endpoint: Section llm of params.yaml.
        trained: Folder of the question generator that was trained here; None: there is none.
        prompts: Folder of the user's own prompts, where there is one.
        choose: Chooses the answers to ask for, where the generator does not do so itself.
        executor: Who works on batches of a model.
    """

    n_pairs: int
    endpoint: "Llm"
    trained: Path | None
    prompts: Path | None
    choose: Chooser = by_rules
    executor: Executor = LOCAL


QUESTION_GENERATORS: Registry[Entry] = Registry("question generator")


def load_question_generator(name: str, settings: Any, given: Given) -> "QuestionGenerator":
    """Return the question generator of a name.

    Args:
        name: As registered.
        settings: Its own section; None where it has none.
        given: What the stage gives.

    Raises:
        ParamsError: If there is none of the name.
        QuestionGeneratorError: If it cannot be loaded.
    """
    generator: QuestionGenerator = resolve(QUESTION_GENERATORS.get(name).load)(settings, given)
    return generator


def question_generator_title(name: str, settings: Any, *, llm: str) -> str:
    """Return who makes the pairs, for the report.

    Args:
        name: As registered.
        settings: Its own section; None where it has none.
        llm: Name of the language model.
    """
    values = {} if settings is None else settings.model_dump()
    return QUESTION_GENERATORS.get(name).title.format(llm=llm, **values)
