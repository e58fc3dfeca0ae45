"""Who chooses the answers to ask for: rules, or a ranker that learns from the seed questions."""

from collections.abc import Iterable
from typing import Literal

from augqa.candidates import Chooser, by_rules
from augqa.records import QAExample
from augqa.registry import resolve


def load_chooser(name: Literal["rules", "learnt"], seeds: Iterable[QAExample]) -> Chooser:
    """Return the chooser of a name.

    Args:
        name: As generate_pairs.candidates has it.
        seeds: The real examples that a ranker may learn from; rules do not look at them.

    Raises:
        QuestionGeneratorError: If there are too few to learn from.
    """
    if name == "rules":
        return by_rules
    # By a string: whoever uses the rules does not wait for scikit-learn.
    learnt: Chooser = resolve("augqa.candidate_ranker:learn")(seeds)
    return learnt
