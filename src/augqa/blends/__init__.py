"""Training sets by recipe: the table of kinds, how each is made, and what it promises."""

from augqa.blends.choosing import Blend, joined, sized
from augqa.blends.copying import original_id
from augqa.blends.kinds import GENERATED, KINDS, REAL, Asked, Kind, Sizes, may_repeat
from augqa.blends.materials import Materials
from augqa.blends.recipes import Recipe
from augqa.blends.sizes import of_one_size

__all__ = [
    "GENERATED",
    "KINDS",
    "REAL",
    "Asked",
    "Blend",
    "Kind",
    "Materials",
    "Recipe",
    "Sizes",
    "joined",
    "may_repeat",
    "of_one_size",
    "original_id",
    "sized",
]
