"""Make question-answer pairs from the generated contexts."""

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import tee
from pathlib import Path
from typing import Any

from tqdm import tqdm

from augqa import llm, prompts
from augqa.asking import Ask, Reply, pairs_asks, proposals, question_asks
from augqa.cloze import ClozeGenerator
from augqa.errors import DataError
from augqa.metrics import write_metrics
from augqa.pairs import (
    Passage,
    Proposal,
    failed_contexts,
    generated_passages,
    placed,
    real_passages,
)
from augqa.params import GeneratePairs, Llm, Params, load_params
from augqa.records import GeneratedContext, QAExample, Rejection
from augqa.sentences import not_english, reads_as_english
from augqa.stage import Input, OptionalInput, Output, run
from augqa.tables import TableWriter, iterate_table

# Opens the passages anew, to be read one at a time: they may be too many for the memory.
Passages = Callable[[], Iterator[Passage]]


@dataclass(slots=True)
class _Usage:
    """What the language model was used for: a part of the metrics, and one line for the log."""

    metrics: dict[str, Any] = field(default_factory=dict)
    line: str = ""


def generate_pairs(
    seeds: Input,
    contexts: Input,
    pairs: Output,
    rejected: Output,
    metrics: Output,
    question_generators: OptionalInput = None,
) -> str:
    """Write the pairs whose answer is a span of its context, and a row for all that is none."""
    params = load_params()
    own = params.generate_pairs

    def passages() -> Iterator[Passage]:
        yield from generated_passages(iterate_table(contexts, GeneratedContext))
        if own.real_contexts:
            yield from real_passages(iterate_table(seeds, QAExample))

    usage = _Usage()
    n_by_origin: Counter[str] = Counter()
    n_by_model: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    n_pairs = n_without_pairs = n_foreign = 0
    with TableWriter(pairs, QAExample) as pairs_table:
        with TableWriter(rejected, Rejection) as rejected_table:

            def reject(row: Rejection) -> None:
                rejected_table.write(row)
                reasons[row.reason] += 1

            for row in failed_contexts(iterate_table(contexts, GeneratedContext)):
                reject(row)
            trained = _trained(params, question_generators)
            proposing = _propose(passages, own, params.llm, usage, trained)
            with closing(proposing) as proposed:
                for proposal in proposed:
                    good, bad = placed(proposal, method=own.method, n_pairs=own.pairs_per_context)
                    n_by_origin[proposal.passage.origin] += 1
                    n_without_pairs += not good
                    n_foreign += not reads_as_english(proposal.passage.text)
                    n_pairs += len(good)
                    n_by_model.update(pair.model for pair in good if pair.model is not None)
                    pairs_table.write_all(good)
                    for row in bad:
                        reject(row)
        write_metrics(
            metrics,
            {
                "n_contexts": n_by_origin["generated"],
                "n_real_contexts": n_by_origin["real"],
                "n_contexts_not_english": n_foreign,
                "n_contexts_without_pairs": n_without_pairs,
                "n_pairs": n_pairs,
                "n_rejected": dict(reasons),
                "n_by_model": dict(n_by_model),
                **usage.metrics,
            },
        )
        n_passages = n_by_origin.total()
        counts = ", ".join(f"{n} {reason}" for reason, n in reasons.most_common()) or "nothing"
        if not n_passages:
            raise DataError(
                f"{contexts}: none of its contexts has a text: {counts}. Look at section llm of"
                " params.yaml: no usable text came from there."
            )
        if not n_pairs:
            raise DataError(
                f"{contexts}: {n_passages} contexts gave no pair: {counts}. {rejected} has a row"
                " for each. Change generate_pairs.method or its settings in params.yaml."
            )
    foreign = ""
    if own.method in ("cloze", "hybrid", "trained"):
        foreign = not_english(n_foreign, n_passages, "contexts", "the rules that choose answers")
    return f"{n_pairs} pairs from {n_passages} contexts; rejected: {counts}{usage.line}{foreign}"


def _trained(params: Params, folder: Path | None) -> Path:
    """Return the folder of the question generator of method trained."""
    named = params.generate_pairs.trained.checkpoint
    if named is not None:
        return Path(named)
    return (folder or Path()) / next(iter(params.question_generators), "")


def _propose(
    passages: Passages, own: GeneratePairs, endpoint: Llm, usage: _Usage, trained: Path
) -> Generator[Proposal, None, None]:
    match own.method:
        case "llm" | "hybrid":
            yield from _ask_model(passages, own, endpoint, usage)
        case "cloze":
            yield from ClozeGenerator(n_pairs=own.pairs_per_context).propose(passages())
        case "t5":
            # transformers costs seconds, and the other methods need none.
            from augqa.question_generator import Seq2SeqGenerator  # noqa: PLC0415

            generator = Seq2SeqGenerator(**own.t5.model_dump(), n_pairs=own.pairs_per_context)
            # It sorts by length: all passages at once.
            yield from generator.propose(list(passages()))
        case "trained":
            from augqa.question_generator import load_trained  # noqa: PLC0415

            settings = own.trained.model_dump(exclude={"checkpoint"})
            asking = load_trained(trained, **settings, n_pairs=own.pairs_per_context)
            yield from asking.propose(list(passages()))


def _ask_model(
    passages: Passages, own: GeneratePairs, endpoint: Llm, usage: _Usage
) -> Iterator[Proposal]:
    n_pairs, max_words = own.pairs_per_context, own.max_context_words
    if own.method == "hybrid":
        prompt_sha256 = prompts.question_prompt_sha256()
    else:
        prompt_sha256 = prompts.pairs_prompt_sha256(structured=own.structured)

    def asks() -> Iterator[Ask]:
        if own.method == "hybrid":
            return question_asks(passages(), n_pairs=n_pairs, max_context_words=max_words)
        return pairs_asks(
            passages(), n_pairs=n_pairs, max_context_words=max_words, structured=own.structured
        )

    def request(ask: Ask) -> llm.ChatRequest:
        structured = own.method == "llm" and own.structured
        return llm.ChatRequest(
            id=ask.id,
            messages=ask.messages,
            max_tokens=own.max_tokens,
            seed=llm.request_seed(endpoint.seed, ask.id),
            json_schema=prompts.PAIRS_SCHEMA if structured else None,
            # A question is one line.
            stop=("\n",) if own.method == "hybrid" else (),
        )

    if next(asks(), None) is None:
        yield from proposals(passages(), (), (), prompt_sha256=prompt_sha256)
        return

    tokens: Counter[str] = Counter()

    def replies(results: Iterator[llm.ChatResult], total: int) -> Iterator[Reply]:
        for result in tqdm(results, "pairs", total=total, unit="request", disable=None):
            tokens["prompt_tokens"] += result.prompt_tokens
            tokens["completion_tokens"] += result.completion_tokens
            yield Reply(
                text=result.text,
                failure=result.failure,
                model=result.model,
                cut_off=result.finish_reason == "length",
            )

    with llm.open_client(endpoint, cache_path=llm.default_cache_path()) as client:
        total = client.announce("generate_pairs", map(request, asks())).n_requests
        # The client reads a bounded number of requests ahead of their results.
        sent, replied = tee(asks())
        results = client.complete(map(request, sent), total=total)
        yield from proposals(
            passages(), replied, replies(results, total), prompt_sha256=prompt_sha256
        )
        usage.metrics = {
            **tokens,
            # At list price, cache or not: what was paid differs from run to run.
            "list_cost_usd": client.list_cost(tokens["prompt_tokens"], tokens["completion_tokens"]),
        }
        usage.line = f"; {client.summary()}"


if __name__ == "__main__":
    run(generate_pairs)
