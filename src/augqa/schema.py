"""What the typed schemas of params.yaml are built from; each part defines its own knobs with it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# A share between 0 and 1; 1 is a float or an int in YAML alike.
Fraction = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[float, Field(ge=0, le=100)]
PositiveInt = Annotated[int, Field(gt=0)]
# Names become file names, stage names and column heads.
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$", max_length=64)]


class Section(BaseModel):
    """A section of params.yaml: no key may be unknown, missing or of another type.

    Numbers are finite: NaN compares as false with every bound and would switch a filter off.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
