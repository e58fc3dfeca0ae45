"""Writers of contexts behind one face: seed questions in, contexts out.

To add one: a module with a function that loads it, and its entry here, or the same entry in a
module of plugins/. What it must do is `ContextWriter` in face.py.
"""

from augqa.context_writer import settings
from augqa.context_writer.entries import CONTEXT_WRITERS, Entry, Given, load_context_writer

__all__ = ["CONTEXT_WRITERS", "Entry", "Given", "load_context_writer"]

CONTEXT_WRITERS.register(
    Entry(name="llm", settings=None, load="augqa.context_writer.prompted:load")
)
CONTEXT_WRITERS.register(
    Entry(name="trained", settings=settings.Trained, load="augqa.context_writer.trained:load")
)
CONTEXT_WRITERS.register(
    Entry(name="documents", settings=settings.Documents, load="augqa.context_writer.documents:load")
)
