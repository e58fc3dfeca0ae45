"""The sections of the writers in params.yaml, under generate_contexts."""

from pydantic import Field

from augqa.schema import Section


class Trained(Section):
    """A context writer that was trained here, or a folder of one."""

    checkpoint: str | None
    temperature: float = Field(ge=0)
    top_p: float = Field(gt=0, le=1)
    no_repeat_ngram_tokens: int | None = Field(gt=1)
    max_new_tokens: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    threads: int = Field(gt=0)


class Documents(Section):
    """Passages of the user's own documents."""

    n_passages: int | None = Field(gt=0)
    min_words: int = Field(gt=0)
    max_words: int = Field(gt=0)
    text_column: str = Field(min_length=1)
