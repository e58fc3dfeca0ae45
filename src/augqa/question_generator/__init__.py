"""Question generators behind one face: passages in, question-answer drafts out.

To add one: a module with a function that loads it, and its entry here, or the same entry in a
module of plugins/. What it must do is `QuestionGenerator` in proposals.py.
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

QUESTION_GENERATORS.register(
    Entry(
        name="llm",
        settings=settings.PromptedPairs,
        load="augqa.question_generator.prompted:load_llm",
        title="{llm}",
    )
)
QUESTION_GENERATORS.register(
    Entry(
        name="hybrid",
        settings=settings.Prompted,
        load="augqa.question_generator.prompted:load_hybrid",
        title="rules choose the answer, {llm} asks for it",
    )
)
QUESTION_GENERATORS.register(
    Entry(
        name="cloze",
        settings=None,
        load="augqa.question_generator.cloze:load",
        title="cloze, by rules",
    )
)
QUESTION_GENERATORS.register(
    Entry(
        name="t5",
        settings=settings.T5,
        load="augqa.question_generator.seq2seq:load",
        title="{checkpoint}",
    )
)
QUESTION_GENERATORS.register(
    Entry(
        name="trained",
        settings=settings.Trained,
        load="augqa.question_generator.trained:load",
        title="rules choose the answer, a question generator trained here asks for it",
    )
)
