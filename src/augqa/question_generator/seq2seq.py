"""Sequence-to-sequence question generators, such as T5 trained on SQuAD."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from transformers import GenerationConfig

from augqa.blocks import blocks
from augqa.candidates import Candidate, Chooser, by_rules
from augqa.checkpoints import load_language_model
from augqa.errors import QuestionGeneratorError
from augqa.executor import batching
from augqa.executor.face import Executor
from augqa.executor.local import LOCAL
from augqa.finetuning.tokens import SPARE_TOKENS, token_starts
from augqa.metrics import Usage
from augqa.question_generator import settings
from augqa.question_generator.decoding import Source, decode, outcome
from augqa.question_generator.entries import Given
from augqa.question_generator.forms import HIGHLIGHT, PREFIXES, Form, marked, seq2seq_sha256
from augqa.question_generator.proposals import Draft, Passage, Proposal, Refusal, in_turn
from augqa.spans import window_around, windows


def load(own: settings.T5, given: Given) -> "Seq2SeqGenerator":
    """Return the generator of a checkpoint that was trained elsewhere."""
    return Seq2SeqGenerator(
        **own.model_dump(), n_pairs=given.n_pairs, choose=given.choose, executor=given.executor
    )


class Seq2SeqGenerator:
    """Drafts pairs by beam search over a sequence-to-sequence checkpoint.

    Equal inputs and settings give equal drafts on the CPU, whatever the order of the passages'
    lengths, since the batches are always the same.
    """

    def __init__(
        self,
        checkpoint: str,
        *,
        form: Form,
        n_pairs: int,
        num_beams: int,
        max_source_tokens: int,
        max_new_tokens: int,
        batch_size: int,
        threads: int,
        choose: Chooser = by_rules,
        executor: Executor = LOCAL,
        param: str = "generate_pairs.t5.checkpoint",
    ) -> None:
        """Load a checkpoint.

        Args:
            checkpoint: Folder, or name on the Hugging Face hub, with ``@`` and a revision or not.
            form: What the checkpoint was trained on.
            n_pairs: Answers to ask for, in each passage; form ``end_to_end`` decides itself.
            num_beams: Width of the beam search.
            max_source_tokens: Longest input; the checkpoint's own limit where that is less.
            max_new_tokens: Longest output.
            batch_size: Inputs at once.
            threads: CPU threads; another number may give other bytes.
            choose: Chooses the answers to ask for; form ``end_to_end`` does so itself.
            executor: Who lets the model write; the drafts are the same.
            param: The param that names the checkpoint, for messages.

        Raises:
            CheckpointError: As `load_language_model`.
            QuestionGeneratorError: If it was not trained for `form`.
        """
        torch.set_num_threads(threads)
        self.usage = Usage()
        self._checkpoint = checkpoint
        self._form = form
        self._n_pairs = n_pairs
        self._choose = choose
        self._batch_size = batch_size
        self._threads = threads
        self._executor = executor
        self._tokenizer, self._model, source = load_language_model(
            checkpoint, "seq2seq", param=param
        )
        self._served_name = source.served_name
        config = self._model.config
        # lm-question-generation notes in the config whether it trained with a prefix.
        self._prefix = PREFIXES[form] if getattr(config, "add_prefix", True) else ""
        if form == "answer_aware" and HIGHLIGHT not in self._tokenizer.get_vocab():
            raise QuestionGeneratorError(
                f"{checkpoint}: its vocabulary has no {HIGHLIGHT}, so it was not trained for form"
                " answer_aware. Set generate_pairs.t5.form to end_to_end, or name another"
                " generate_pairs.t5.checkpoint."
            )
        self._prompt_sha256 = seq2seq_sha256(form, self._prefix)
        limits = [max_source_tokens, self._tokenizer.model_max_length]
        limits += [
            limit
            for name in ("n_positions", "max_position_embeddings")
            if isinstance(limit := getattr(config, name, None), int)
        ]
        self._max_source_tokens = min(limits)
        own = self._model.generation_config
        # The checkpoint's own sampling defaults must not creep in.
        self._generation = GenerationConfig(
            do_sample=False,
            num_beams=num_beams,
            max_new_tokens=max_new_tokens,
            early_stopping=num_beams > 1,
            decoder_start_token_id=own.decoder_start_token_id,
            bos_token_id=own.bos_token_id,
            eos_token_id=own.eos_token_id,
            pad_token_id=self._tokenizer.pad_token_id,
            forced_bos_token_id=own.forced_bos_token_id,
            forced_eos_token_id=own.forced_eos_token_id,
        )

    def propose(self, passages: Iterable[Passage]) -> Iterator[Proposal]:
        """Yield one proposal for each passage, in their order.

        A context longer than the model's input is read in windows of whole sentences; the window
        of an answer holds it whole.

        Raises:
            QuestionGeneratorError: If the input limit leaves no room for a context.
        """
        for block in blocks(passages, batching.BLOCK):  # inputs of like lengths go together
            yield from self._propose(block)

    def _propose(self, passages: Sequence[Passage]) -> Iterator[Proposal]:
        make = self._answer_sources if self._form == "answer_aware" else self._window_sources
        by_passage = [list(make(passage)) for passage in passages]
        self._decode([source for sources in by_passage for source in sources])

        for passage, sources in zip(passages, by_passage, strict=True):
            outcomes = [_drafts(source) for source in sources]
            refusals = [refusal for _, refused in outcomes for refusal in refused]
            if not sources:
                refusals.append(Refusal(reason="no_answer_candidate", detail=passage.text[:80]))
            yield Proposal(
                passage=passage,
                drafts=in_turn(drafts for drafts, _ in outcomes),
                refusals=tuple(refusals),
                model=self._served_name,
                prompt_sha256=self._prompt_sha256,
            )

    def ask(self, asked: Sequence[tuple[str, Candidate]]) -> list[Draft | Refusal]:
        """Return the question to each answer of a context, in their order.

        Raises:
            QuestionGeneratorError: If the input limit leaves no room for a context.
        """
        sources = [self._answer_source(text, answer) for text, answer in asked]
        self._decode(sources)
        return [outcome(s, answer) for s, (_, answer) in zip(sources, asked, strict=True)]

    def _answer_sources(self, passage: Passage) -> Iterator[Source]:
        text = passage.text
        for candidate in self._choose(text, n=self._n_pairs):
            yield self._answer_source(text, candidate)

    def _answer_source(self, text: str, answer: Candidate) -> Source:
        """Return the text for an answer, marked in its window."""
        span, room = (answer.start, answer.end), self._room(f"{HIGHLIGHT}  {HIGHLIGHT}")
        window = window_around(text, span, token_starts(self._tokenizer, text), max_units=room)
        return self._source(self._prefix + marked(text, span, window), candidate=answer)

    def _window_sources(self, passage: Passage) -> Iterator[Source]:
        """Yield a text for each window."""
        text = passage.text
        for first, past in windows(
            text, token_starts(self._tokenizer, text), max_units=self._room("")
        ):
            yield self._source(self._prefix + text[first:past], window=(first, past))

    def _decode(self, sources: Sequence[Source]) -> None:
        decode(
            sources,
            model=self._model,
            tokenizer=self._tokenizer,
            generation=self._generation,
            max_source_tokens=self._max_source_tokens,
            batch_size=self._batch_size,
            threads=self._threads,
            executor=self._executor,
        )

    def _source(self, text: str, **about: Any) -> Source:
        return Source(text, self._tokenizer(text)["input_ids"], **about)

    def _room(self, around: str) -> int:
        """Return how many tokens of a context fit in one input."""
        taken: int = len(self._tokenizer(self._prefix + around)["input_ids"]) + SPARE_TOKENS
        room: int = self._max_source_tokens - taken
        if room < 1:
            raise QuestionGeneratorError(
                f"{self._checkpoint}: inputs of at most {self._max_source_tokens} tokens leave no"
                f" room for a context beside the {taken} of the prefix. Raise"
                " generate_pairs.t5.max_source_tokens."
            )
        return room


def _drafts(source: Source) -> tuple[list[Draft], list[Refusal]]:
    if source.candidate is not None:
        found = outcome(source, source.candidate)
        return ([found], []) if isinstance(found, Draft) else ([], [found])
    if not source.fits:
        return [], [Refusal(reason="longer_than_input", detail=source.text[:80])]
    drafts, refusals = parse_end_to_end(source.output, ended=source.ended)
    return [replace(draft, window=source.window) for draft in drafts], refusals


def parse_end_to_end(output: str, *, ended: bool) -> tuple[list[Draft], list[Refusal]]:
    """Read ``question: Who?, answer: Ada | question: ...``.

    Args:
        output: Text of the model.
        ended: Whether the model ended it; else the last piece is cut off and refused.
    """
    drafts, refusals = [], []
    pieces = output.split("|")
    for number, piece in enumerate(pieces):
        piece = piece.strip()
        if not ended and number == len(pieces) - 1:
            refusals.append(Refusal(reason="output_cut_off", detail=piece))
            continue
        question, found, answer = piece.rpartition(", answer:")
        if not found or not question.startswith("question:"):
            refusals.append(Refusal(reason="not_a_pair", detail=piece))
            continue
        drafts.append(
            Draft(question=question.removeprefix("question:").strip(), answer=answer.strip())
        )
    return drafts, refusals
