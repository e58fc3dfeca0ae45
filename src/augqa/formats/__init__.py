"""Files of extractive QA as people have them: recognised by content, read strictly.

They are mended on request, and SQuAD JSON is written plainly. A parser turns a file into rows as
found (`rows`); `soundness` alone decides what of them is an example. So a new format is one parser
of some fifty lines.
"""

from augqa.formats.reading import KNOWN, read_examples
from augqa.formats.soundness import UNANSWERABLE, Reading, Unanswerable
from augqa.formats.squad import to_squad

__all__ = ["KNOWN", "UNANSWERABLE", "Reading", "Unanswerable", "read_examples", "to_squad"]
