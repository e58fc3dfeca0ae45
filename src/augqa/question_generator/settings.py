"""The sections of the question generators in params.yaml, under generate_pairs."""

from typing import Literal

from pydantic import Field

from augqa.schema import Section


class Prompted(Section):
    """A language model that is asked; see section llm for which one."""

    max_context_words: int | None = Field(gt=0)
    max_tokens: int = Field(gt=0)
    prompt: str | None


class PromptedPairs(Prompted):
    structured: bool


class Generation(Section):
    """A model of transformers that writes here."""

    num_beams: int = Field(gt=0)
    max_new_tokens: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    threads: int = Field(gt=0)


class T5(Generation):
    checkpoint: str = Field(min_length=1)
    form: Literal["answer_aware", "end_to_end"]
    max_source_tokens: int = Field(gt=0)


class Trained(Generation):
    checkpoint: str | None
