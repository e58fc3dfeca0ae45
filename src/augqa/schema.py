"""Bases of typed params: no key may be unknown, missing or of another type."""

from pydantic import BaseModel, ConfigDict, Field

Fraction = Field(ge=0, le=1)


class Section(BaseModel):
    """A section of params.yaml: no key may be unknown, missing or of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
