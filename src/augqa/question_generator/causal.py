"""Causal question generators, such as SmolLM2 trained by `train_question_generator`."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import torch
from transformers import GenerationConfig

from augqa.blocks import blocks
from augqa.candidates import Candidate, Chooser, by_rules
from augqa.checkpoints import load_language_model
from augqa.errors import QuestionGeneratorError
from augqa.executor import batching
from augqa.executor.face import Executor
from augqa.executor.local import LOCAL
from augqa.metrics import Usage
from augqa.question_generator.decoding import Source, decode, outcome
from augqa.question_generator.encoding import causal_ids
from augqa.question_generator.forms import causal_sha256
from augqa.question_generator.proposals import Draft, Passage, Proposal, Refusal


class CausalGenerator:
    """Drafts a question to each of a passage's answers, which rules or a ranker choose.

    Equal inputs and settings give equal drafts on the CPU, whatever the order of the passages.
    """

    def __init__(
        self,
        checkpoint: str,
        *,
        n_pairs: int,
        num_beams: int,
        max_source_tokens: int,
        max_new_tokens: int,
        batch_size: int,
        threads: int,
        choose: Chooser = by_rules,
        executor: Executor = LOCAL,
        param: str = "generate_pairs.trained.checkpoint",
    ) -> None:
        """Load a checkpoint.

        Args:
            checkpoint: Folder, or another one that `find_checkpoint` knows.
            n_pairs: Answers to ask for, in each passage.
            num_beams: Width of the beam search; 1 is greedy.
            max_source_tokens: Longest input.
            max_new_tokens: Longest output.
            batch_size: Inputs at once.
            threads: CPU threads; another number may give other bytes.
            choose: Chooses the answers to ask for.
            executor: Who lets the model write; the drafts are the same.
            param: The param that names the checkpoint, for messages.

        Raises:
            CheckpointError: As `load_language_model`.
            QuestionGeneratorError: If the model cannot take `max_source_tokens` and
                `max_new_tokens`.
        """
        torch.set_num_threads(threads)
        self.usage = Usage()
        self._n_pairs = n_pairs
        self._choose = choose
        self._batch_size = batch_size
        self._threads = threads
        self._executor = executor
        self._tokenizer, self._model, source = load_language_model(
            checkpoint, "causal", param=param
        )
        self._tokenizer.padding_side = "left"  # what is written goes on from the end
        self._served_name = source.served_name
        self._max_source_tokens = max_source_tokens
        longest = getattr(self._model.config, "max_position_embeddings", None)
        if isinstance(longest, int) and max_source_tokens + max_new_tokens > longest:
            raise QuestionGeneratorError(
                f"{checkpoint}: {max_source_tokens} tokens of input and {max_new_tokens} of output"
                f" are more than the {longest} positions that the model has"
            )
        self._generation = GenerationConfig(
            do_sample=False,
            num_beams=num_beams,
            max_new_tokens=max_new_tokens,
            early_stopping=num_beams > 1,
            eos_token_id=self._tokenizer.eos_token_id,
            pad_token_id=self._tokenizer.pad_token_id,
        )

    def propose(self, passages: Iterable[Passage]) -> Iterator[Proposal]:
        """Yield one proposal for each passage, in their order.

        Of a context longer than the model's input, whole sentences about the answer are shown.
        """
        for block in blocks(passages, batching.BLOCK):  # inputs of like lengths go together
            yield from self._propose(block)

    def _propose(self, passages: Sequence[Passage]) -> Iterator[Proposal]:
        asked = [
            [(passage.text, c) for c in self._choose(passage.text, n=self._n_pairs)]
            for passage in passages
        ]
        outcomes = iter(self.ask([pair for pairs in asked for pair in pairs]))
        for passage, pairs in zip(passages, asked, strict=True):
            found = list(islice(outcomes, len(pairs)))
            if not pairs:
                found = [Refusal(reason="no_answer_candidate", detail=passage.text[:80])]
            yield Proposal(
                passage=passage,
                drafts=tuple(part for part in found if isinstance(part, Draft)),
                refusals=tuple(part for part in found if isinstance(part, Refusal)),
                model=self._served_name,
                prompt_sha256=causal_sha256(),
            )

    def ask(self, asked: Sequence[tuple[str, Candidate]]) -> list[Draft | Refusal]:
        """Return the question to each answer of a context, in their order."""
        sources = [self._source(text, answer) for text, answer in asked]
        decode(
            sources,
            model=self._model,
            tokenizer=self._tokenizer,
            generation=self._generation,
            max_source_tokens=self._max_source_tokens,
            batch_size=self._batch_size,
            threads=self._threads,
            repeats_input=True,
            executor=self._executor,
        )
        return [outcome(s, answer) for s, (_, answer) in zip(sources, asked, strict=True)]

    def _source(self, text: str, answer: Candidate) -> Source:
        limit, span = self._max_source_tokens, (answer.start, answer.end)
        head, cue = causal_ids(self._tokenizer, text, span, max_source_tokens=limit)
        return Source(text, [*head, *cue], candidate=answer)
