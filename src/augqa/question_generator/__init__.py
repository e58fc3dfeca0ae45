"""Question generators behind one face: passages in, question-answer drafts out.

To add one: a module with a function that loads it, and its line here, or the same line in a module
of plugins/. What it must do is `QuestionGenerator` in proposals.py.
"""

from augqa.question_generator import settings
from augqa.question_generator.entries import (
    QUESTION_GENERATORS,
    Entry,
    Given,
    load_question_generator,
    question_generator_title,
)

__all__ = [
    "QUESTION_GENERATORS",
    "Entry",
    "Given",
    "load_question_generator",
    "question_generator_title",
]

_HERE = "augqa.question_generator"

QUESTION_GENERATORS.register(
    "llm",
    Entry(settings=settings.PromptedPairs, load=f"{_HERE}.prompted:load_llm", title="{llm}"),
)
QUESTION_GENERATORS.register(
    "hybrid",
    Entry(
        settings=settings.Prompted,
        load=f"{_HERE}.prompted:load_hybrid",
        title="rules choose the answer, {llm} asks for it",
    ),
)
QUESTION_GENERATORS.register(
    "cloze", Entry(settings=None, load=f"{_HERE}.cloze:load", title="cloze, by rules")
)
QUESTION_GENERATORS.register(
    "t5", Entry(settings=settings.T5, load=f"{_HERE}.seq2seq:load", title="{checkpoint}")
)
QUESTION_GENERATORS.register(
    "trained",
    Entry(
        settings=settings.Trained,
        load=f"{_HERE}.trained:load",
        title="rules choose the answer, a question generator trained here asks for it",
    ),
)
