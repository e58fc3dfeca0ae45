"""Training sets by recipe: the table of kinds, how each is made, and what it promises."""

from augqa.blends.choosing import Blend, joined, sized
from augqa.blends.copying import original_id
from augqa.blends.kinds import GENERATED, KINDS, REAL, Asked, Kind, Recipe, Sizes, may_repeat
from augqa.blends.materials import Materials

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
    "original_id",
    "sized",
]
