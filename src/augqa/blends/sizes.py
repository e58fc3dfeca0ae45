"""Training sets of one recipe are of one size, whatever their seed."""

from collections.abc import Mapping
from typing import Any

from augqa.errors import BlendError


def of_one_size(recipe: str, counts: Mapping[int, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the counts of the first training seed.

    Args:
        recipe: Its name, for the message.
        counts: By training seed, with ``n_examples``.

    Raises:
        BlendError: If another seed's training set has another size: a difference between trainings
            would then be one of size, too.
    """
    first, *others = counts.values()
    if any(other["n_examples"] != first["n_examples"] for other in others):
        sizes = {seed: numbers["n_examples"] for seed, numbers in counts.items()}
        raise BlendError(f"recipe {recipe}: its training sets differ in size by seed: {sizes}")
    return first
