"""What is known of each writer of contexts without loading it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augqa.executor.local import LOCAL
from augqa.registry import Registry, resolve
from augqa.schema import Section

if TYPE_CHECKING:
    from augqa.context_writer.face import ContextWriter
    from augqa.executor.face import Executor
    from augqa.params import GenerateContexts, Llm


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A writer that `generate_contexts.writer` can name.

    Attributes:
        name: By which it is named.
        settings: Schema of its own section under generate_contexts; None: it has none.
        load: ``module:function``; called with the settings and with what the stage gives, it
            returns the writer. A string, so that params are checked without torch.
    """

    name: str
    settings: type[Section] | None
    load: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the stage gives to every writer.

    Attributes:
        params: Section generate_contexts of params.yaml.
        endpoint: Section llm of params.yaml.
        trained: Folder of the context writer that was trained here; None: there is none.
        prompts: Folder of the user's own prompts, where there is one.
        documents: Folder of the user's own documents, where there is one.
        executor: Who lets a model that is loaded here write.
    """

    params: "GenerateContexts"
    endpoint: "Llm"
    trained: Path | None
    prompts: Path | None
    documents: Path | None
    executor: "Executor" = LOCAL


CONTEXT_WRITERS: Registry[Entry] = Registry("context writer")


def load_context_writer(name: str, settings: Any, given: Given) -> "ContextWriter":
    """Return the writer of a name.

    Args:
        name: As registered.
        settings: Its own section; None where it has none.
        given: What the stage gives.

    Raises:
        ParamsError: If there is none of the name.
        ContextWriterError: If it cannot be loaded, or has nothing to write from.
    """
    writer: ContextWriter = resolve(CONTEXT_WRITERS.get(name).load)(settings, given)
    return writer
