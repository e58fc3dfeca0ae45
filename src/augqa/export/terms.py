"""Under which terms an export may be used: those of the data and of the models it came from."""

import importlib.metadata
from dataclasses import dataclass

from augqa.packaged_models import PACKAGED_MODELS
from augqa.params import Params

NOT_STATED = "not stated"

# What the hub calls a licence, in its lists and filters; any other is "other" there.
_ON_THE_HUB = frozenset(
    {
        "apache-2.0",
        "bsd-3-clause",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-nc-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc0-1.0",
        "mit",
        "odc-by",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """What one part of the past of an export asks for.

    Attributes:
        what: The part, in words.
        license: Its licence; `NOT_STATED` where nobody said it.
        citation: What to cite; empty for nothing.
    """

    what: str
    license: str
    citation: str = ""


def of_pairs(params: Params, *, llm_license: str | None) -> list[Term]:
    """Return the terms of generated pairs: of the data behind them, and of who wrote.

    Args:
        params: In force.
        llm_license: Licence of the language model, as the user knows it.
    """
    train = params.data.train
    terms = [
        Term(
            what="training set, which the seed questions are of",
            license=train.license or NOT_STATED,
            citation=train.citation or "",
        )
    ]
    if params.generate_contexts.writer == "documents":
        terms.append(Term(what="documents, which the contexts are of", license=NOT_STATED))
    terms.append(
        Term(
            what=f"language model {params.llm.model}",
            license=llm_license or _of_package(params.llm.model) or NOT_STATED,
        )
    )
    return terms


def of_reader(params: Params, *, reader_license: str | None) -> Term:
    """Return the terms of the checkpoint that readers begin with."""
    named = params.reader.checkpoint
    return Term(
        what=f"checkpoint {named}", license=reader_license or _of_package(named) or NOT_STATED
    )


def hub_licenses(terms: list[Term]) -> list[str]:
    """Return the licences as the hub names them, each once; others as ``other``."""
    names = [term.license.lower() for term in terms]
    return list(dict.fromkeys(name if name in _ON_THE_HUB else "other" for name in names))


def _of_package(model: str) -> str | None:
    """Return the licence that the package of a model names; None for any other model."""
    if model not in PACKAGED_MODELS:
        return None
    try:
        metadata = importlib.metadata.metadata(PACKAGED_MODELS[model].distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
    found = (metadata[key] for key in ("License-Expression", "License") if key in metadata)
    return next((str(stated) for stated in found if stated), None)
