"""Question generators that ask a language model, at an endpoint or the embedded one."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import tee
from typing import Any

from tqdm import tqdm

from augqa import llm, prompts
from augqa.metrics import Usage
from augqa.params import Llm
from augqa.prompts.templates import own_template
from augqa.question_generator import settings
from augqa.question_generator.entries import Given
from augqa.question_generator.prompting import Ask, Reply, pairs_asks, proposals, question_asks
from augqa.question_generator.proposals import Passage, Proposal


def load_llm(own: settings.PromptedPairs, given: Given) -> "PromptedGenerator":
    """Return the generator that lets the model choose questions and answers."""
    template = prompts.pairs_template(structured=own.structured)
    if own.prompt is not None:
        template = own_template(
            own.prompt,
            folder=given.prompts,
            param="generate_pairs.llm.prompt",
            needed=("context",),
            known=("context", "n_pairs"),
        )

    def asks(passages: Iterable[Passage]) -> Iterator[Ask]:
        return pairs_asks(
            passages,
            n_pairs=given.n_pairs,
            max_context_words=own.max_context_words,
            structured=own.structured,
            template=template,
        )

    return PromptedGenerator(
        asks=asks,
        prompt_sha256=template.sha256,
        endpoint=given.endpoint,
        max_tokens=own.max_tokens,
        json_schema=prompts.PAIRS_SCHEMA if own.structured else None,
    )


def load_hybrid(own: settings.Prompted, given: Given) -> "PromptedGenerator":
    """Return the generator that lets the model ask for answers that rules or a ranker choose."""
    template = prompts.question_template()
    if own.prompt is not None:
        template = own_template(
            own.prompt,
            folder=given.prompts,
            param="generate_pairs.hybrid.prompt",
            needed=("context", "answer"),
            known=("context", "sentence", "answer"),
        )

    def asks(passages: Iterable[Passage]) -> Iterator[Ask]:
        return question_asks(
            passages,
            n_pairs=given.n_pairs,
            max_context_words=own.max_context_words,
            template=template,
            choose=given.choose,
        )

    return PromptedGenerator(
        asks=asks,
        prompt_sha256=template.sha256,
        endpoint=given.endpoint,
        max_tokens=own.max_tokens,
        stop=("\n",),  # a question is one line
    )


@dataclass(slots=True, kw_only=True)
class PromptedGenerator:
    """Drafts pairs by asking a language model.

    Attributes:
        asks: What to ask on passages.
        prompt_sha256: Hash of the prompt template.
        endpoint: The language model.
        max_tokens: Most tokens of a reply.
        stop: Texts that end a reply.
        json_schema: What a reply must follow; None: any text.
        usage: Tokens, and what they cost at list price.
    """

    asks: Callable[[Iterable[Passage]], Iterator[Ask]]
    prompt_sha256: str
    endpoint: Llm
    max_tokens: int
    stop: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None
    usage: Usage = field(default_factory=Usage)

    def propose(self, passages: Iterable[Passage]) -> Iterator[Proposal]:
        """Yield one proposal for each passage, in their order, as the replies come.

        Raises:
            GenerationError: As the client of the language model.
        """
        if next(self.asks(passages), None) is None:
            yield from proposals(passages, (), (), prompt_sha256=self.prompt_sha256)
            return
        tokens: Counter[str] = Counter()
        with llm.open_client(self.endpoint, cache_path=llm.default_cache_path()) as client:
            requests = map(self._request, self.asks(passages))
            total = client.announce("generate_pairs", requests).n_requests
            # The client reads a bounded number of requests ahead of their results.
            sent, replied = tee(self.asks(passages))
            results = client.complete(map(self._request, sent), total=total)
            bar = tqdm(results, "pairs", total=total, unit="request", disable=None)
            replies = (_reply(result, tokens) for result in bar)
            yield from proposals(passages, replied, replies, prompt_sha256=self.prompt_sha256)
            self.usage = Usage(
                metrics={
                    **tokens,
                    # At list price, cache or not: what was paid differs from run to run.
                    "list_cost_usd": client.list_cost(
                        tokens["prompt_tokens"], tokens["completion_tokens"]
                    ),
                },
                line=client.summary(),
            )

    def _request(self, ask: Ask) -> llm.ChatRequest:
        return llm.ChatRequest(
            id=ask.id,
            messages=ask.messages,
            max_tokens=self.max_tokens,
            seed=llm.request_seed(self.endpoint.seed, ask.id),
            json_schema=self.json_schema,
            stop=self.stop,
        )


def _reply(result: llm.ChatResult, tokens: Counter[str]) -> Reply:
    """Return the reply that a result is, its tokens counted."""
    tokens["prompt_tokens"] += result.prompt_tokens
    tokens["completion_tokens"] += result.completion_tokens
    return Reply(
        text=result.text,
        failure=result.failure,
        model=result.model,
        cut_off=result.finish_reason == "length",
    )
