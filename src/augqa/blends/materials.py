"""What training sets are made of: tables, each read when a recipe asks for it."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from augqa.blends.choosing import context_only
from augqa.errors import BlendError
from augqa.records import Answer, GeneratedContext, Judgement, QAExample, Rejection, RoundTripAnswer
from augqa.spans import locate_answer
from augqa.tables import read_table

Loader = Callable[[], Sequence[Any]]

# What the tables hold; those that are not named hold examples.
_RECORDS = {
    "contexts": GeneratedContext,
    "judgements": Judgement,
    "rejected": Rejection,
    "round_trip_answers": RoundTripAnswer,
}


class Materials:
    """The tables that a recipe may take from.

    Args:
        recipe: Name of the recipe, for messages.
        loaders: What reads each table: ``pool``, ``reserve``, ``kept``, ``rejected``, ``pairs``,
            ``contexts``, ``seed_questions``, ``round_trip_answers``, ``judgements``. One that is
            not given is not at hand.
    """

    def __init__(self, recipe: str, loaders: Mapping[str, Loader]) -> None:
        self.recipe = recipe
        self._loaders = loaders

    @classmethod
    def of(cls, recipe: str, tables: Mapping[str, Path | None]) -> "Materials":
        """Return the materials in these files; None: this one is not at hand."""
        return cls(
            recipe,
            {
                name: partial(read_table, path, _RECORDS.get(name, QAExample))
                for name, path in tables.items()
                if path is not None
            },
        )

    @cached_property
    def pool(self) -> Sequence[QAExample]:
        """Real examples."""
        return self._read("pool")

    @cached_property
    def reserve(self) -> Sequence[QAExample]:
        """Further real examples, that no generator, filter or round-trip reader has seen."""
        return self._read("reserve")

    @cached_property
    def round_trip(self) -> Mapping[str, RoundTripAnswer]:
        """Round-trip answers by the id of their pair."""
        return {row.id: row for row in self._read("round_trip_answers")}

    @cached_property
    def judgements(self) -> Mapping[str, Judgement]:
        """What a language model thinks of the kept pairs, by their id."""
        return {row.id: row for row in self._read("judgements")}

    def generated(self, source: str) -> tuple[list[QAExample], list[Rejection]]:
        """Return generated pairs on generated contexts, and what cannot be one.

        Args:
            source: ``kept``; ``unfiltered``, all pairs but those from the test sets; or
                ``pseudo_label``, these with the round-trip reader's answer in place of their own.
        """
        if source == "kept":
            return self._of_context_origin("kept", "generated"), []
        # No control is worth a test question in a training set.
        in_test = {r.id for r in self._read("rejected") if r.reason.endswith("_in_test_set")}
        every = self._of_context_origin("pairs", "generated")
        every = [pair for pair in every if pair.id not in in_test]
        if source == "unfiltered":
            return every, []
        labelled, rejections = [], []
        for pair in every:
            text = self.round_trip[pair.id].text
            found = locate_answer(pair.context, text, question=pair.question) if text else None
            if found is None:
                rejections.append(Rejection(id=pair.id, reason="reader_has_no_answer"))
                continue
            answer = Answer(text=found.text, start=found.start)
            method = f"{pair.method}+pseudo_label"
            labelled.append(dataclasses.replace(pair, answers=(answer,), method=method))
        return labelled, rejections

    def on_real_contexts(self) -> list[QAExample]:
        """Return kept pairs on real contexts."""
        return self._of_context_origin("kept", "real")

    def seed_questions_on_contexts(self) -> tuple[list[QAExample], list[Rejection]]:
        """Return the seed questions on the contexts generated for them, and what lacks one."""
        contexts: Sequence[GeneratedContext] = self._read("contexts")
        return context_only(contexts, self._read("seed_questions"))

    def _of_context_origin(self, table: str, context_origin: str) -> list[QAExample]:
        return [row for row in self._read(table) if row.context_origin == context_origin]

    def _read(self, table: str) -> Sequence[Any]:
        if table not in self._loaders:
            raise BlendError(f"recipe {self.recipe} needs --{table.replace('_', '-')}")
        return self._loaders[table]()
