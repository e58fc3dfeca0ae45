"""What a parser finds in a file, before anybody asks whether it is sound."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundAnswer:
    """An answer as the file has it, unchecked.

    Attributes:
        text: Its text.
        start: Where it begins, in the file's own count; None where the file does not say.
        end: Where it ends, exclusive; None where only the text tells its length.
    """

    text: Any
    start: Any = None
    end: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRow:
    """A question with its context and answers as the file has them, unchecked.

    Attributes:
        place: Where it stands in the file, for messages.
        id: Its id; None where the file gives none.
        title: Title of its article; None or empty where there is none.
        context: Its context.
        question: Its question.
        answers: Spans of the context.
        texts: Further right answers, that need not be spans of the context.
        answerable: False for a question that has no answer by intention (SQuAD v2).
    """

    place: str
    id: Any
    title: Any
    context: Any
    question: Any
    answers: tuple[FoundAnswer, ...]
    texts: tuple[Any, ...] = ()
    answerable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a row, or one answer of it, cannot be used as it stands.

    Attributes:
        reason: Named reason, in snake_case.
        place: Where it stands in the file, with its id if it has one.
        detail: The value found.
    """

    reason: str
    place: str
    detail: str


Rows = Iterator[FoundRow | Fault]


def shown(value: Any, *, n_chars: int = 60) -> str:
    """Return a value for a message: on one line, cut, and printable whatever it holds."""
    if isinstance(value, str | bytes) and len(value) > n_chars:
        value = value[:n_chars]
        cut = "…"
    else:
        cut = ""
    if isinstance(value, list) and all(isinstance(one, int | float) for one in value[:5]):
        return repr(value[:4])[: n_chars * 2] + ("…" if len(value) > 4 else "")
    if isinstance(value, dict | list):
        return f"{type(value).__name__} of {len(value)}"
    text = ascii(value) if isinstance(value, str) and has_half_surrogate(value) else repr(value)
    return text[: n_chars * 2] + cut


def has_half_surrogate(text: str) -> bool:
    """Whether a text holds half a surrogate pair: it cannot be written as UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def field(value: Any, key: str, kind: type[Any], place: str) -> Any:
    """Return ``value[key]`` where it is there and of the type `kind`, else the fault."""
    if not isinstance(value, dict):
        return Fault(reason="not_an_object", place=place, detail=f"found {shown(value)}")
    if key not in value:
        keys = ", ".join(shown(name, n_chars=20) for name in list(value)[:8]) or "none"
        return Fault(reason="missing_key", place=place, detail=f"no {key!r}; its keys are {keys}")
    found = value[key]
    if not isinstance(found, kind):
        return Fault(
            reason="wrong_type",
            place=place,
            detail=f"{key!r} must be a {_NAMES[kind]}, found {shown(found)}",
        )
    return found


_NAMES: dict[type[Any], str] = {list: "list", str: "text", dict: "object"}
