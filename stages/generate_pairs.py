"""Make question-answer pairs from the generated contexts."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from augqa import llm, prompts
from augqa.asking import Reply, pairs_asks, proposals, question_asks
from augqa.cloze import ClozeGenerator
from augqa.errors import DataError
from augqa.metrics import write_metrics
from augqa.pairs import Passage, Proposal, generated_passages, placed, real_passages
from augqa.params import GeneratePairs, Llm, Params, load_params
from augqa.records import GeneratedContext, QAExample, Rejection
from augqa.stage import Input, OptionalInput, Output, run
from augqa.tables import read_table, write_table


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
    passages, rejections = generated_passages(read_table(contexts, GeneratedContext))
    if own.real_contexts:
        passages += real_passages(read_table(seeds, QAExample))

    usage: Counter[str] = Counter()
    made: list[QAExample] = []
    n_without_pairs = 0
    trained = _trained(params, question_generators)
    for proposal in _propose(passages, own, params.llm, usage, trained):
        good, bad = placed(proposal, method=own.method, n_pairs=own.pairs_per_context)
        made += good
        rejections += bad
        n_without_pairs += not good

    reasons = Counter(row.reason for row in rejections)
    write_table(rejected, rejections, Rejection)
    write_metrics(
        metrics,
        {
            "n_contexts": sum(passage.origin == "generated" for passage in passages),
            "n_real_contexts": sum(passage.origin == "real" for passage in passages),
            "n_contexts_without_pairs": n_without_pairs,
            "n_pairs": len(made),
            "n_rejected": dict(reasons),
            "n_by_model": dict(Counter(pair.model for pair in made if pair.model is not None)),
            **usage,
        },
    )
    counts = ", ".join(f"{n} {reason}" for reason, n in reasons.most_common()) or "nothing"
    if not passages:
        raise DataError(
            f"{contexts}: none of its contexts has a text: {counts}. Look at section llm of"
            " params.yaml: no usable text came from there."
        )
    if not made:
        raise DataError(
            f"{contexts}: {len(passages)} contexts gave no pair: {counts}. {rejected} has a row"
            " for each. Change generate_pairs.method or its settings in params.yaml."
        )
    write_table(pairs, made, QAExample)
    return f"{len(made)} pairs from {len(passages)} contexts; rejected: {counts}"


def _trained(params: Params, folder: Path | None) -> Path:
    """Return the folder of the question generator of method trained."""
    named = params.generate_pairs.trained.checkpoint
    if named is not None:
        return Path(named)
    return (folder or Path()) / next(iter(params.question_generators), "")


def _propose(
    passages: Sequence[Passage],
    own: GeneratePairs,
    endpoint: Llm,
    usage: Counter[str],
    trained: Path,
) -> Iterator[Proposal]:
    match own.method:
        case "llm" | "hybrid":
            return _ask_model(passages, own, endpoint, usage)
        case "cloze":
            return ClozeGenerator(n_pairs=own.pairs_per_context).propose(passages)
        case "t5":
            # transformers costs seconds, and the other methods need none.
            from augqa.question_generator import Seq2SeqGenerator  # noqa: PLC0415

            settings = own.t5.model_dump()
            return Seq2SeqGenerator(**settings, n_pairs=own.pairs_per_context).propose(passages)
        case "trained":
            from augqa.question_generator import load_trained  # noqa: PLC0415

            settings = own.trained.model_dump(exclude={"checkpoint"})
            return load_trained(trained, **settings, n_pairs=own.pairs_per_context).propose(
                passages
            )


def _ask_model(
    passages: Sequence[Passage], own: GeneratePairs, endpoint: Llm, usage: Counter[str]
) -> Iterator[Proposal]:
    n_pairs, max_words = own.pairs_per_context, own.max_context_words
    schema: Mapping[str, Any] | None = None
    stop: tuple[str, ...] = ()
    if own.method == "hybrid":
        asks = list(question_asks(passages, n_pairs=n_pairs, max_context_words=max_words))
        prompt_sha256 = prompts.question_prompt_sha256()
        stop = ("\n",)  # a question is one line
    else:
        asks = list(
            pairs_asks(
                passages,
                n_pairs=n_pairs,
                max_context_words=max_words,
                structured=own.structured,
            )
        )
        prompt_sha256 = prompts.pairs_prompt_sha256(structured=own.structured)
        schema = prompts.PAIRS_SCHEMA if own.structured else None
    requests = (
        llm.ChatRequest(
            id=ask.id,
            messages=ask.messages,
            max_tokens=own.max_tokens,
            seed=llm.request_seed(endpoint.seed, ask.id),
            json_schema=schema,
            stop=stop,
        )
        for ask in asks
    )

    def replies(client: llm.ChatClient) -> Iterator[Reply]:
        results = client.complete(requests, total=len(asks))
        for result in tqdm(results, "pairs", total=len(asks), unit="request", disable=None):
            usage["prompt_tokens"] += result.prompt_tokens
            usage["completion_tokens"] += result.completion_tokens
            yield Reply(
                text=result.text,
                failure=result.failure,
                model=result.model,
                cut_off=result.finish_reason == "length",
            )

    if not asks:
        yield from proposals(passages, (), (), prompt_sha256=prompt_sha256)
        return
    with llm.open_client(endpoint, cache_path=llm.default_cache_path()) as client:
        yield from proposals(passages, asks, replies(client), prompt_sha256=prompt_sha256)


if __name__ == "__main__":
    run(generate_pairs)
