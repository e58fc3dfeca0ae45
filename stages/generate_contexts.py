"""Let a language model write a context for each seed question."""

from collections import Counter
from collections.abc import Iterator

from tqdm import tqdm

from augqa import llm, prompts
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.records import GeneratedContext, QAExample
from augqa.stage import Input, Output, run
from augqa.tables import read_table, write_table


def generate_contexts(seeds: Input, contexts: Output, metrics: Output) -> str:
    """Write one row a context asked for; a failed request is a row with its reason."""
    params = load_params()
    own = params.generate_contexts
    questions = read_table(seeds, QAExample)
    asked = [(seed, number) for seed in questions for number in range(1, own.contexts_per_seed + 1)]
    prompt_sha256 = prompts.context_prompt_sha256(own.style)

    def requests() -> Iterator[llm.ChatRequest]:
        for seed, number in asked:
            yield llm.ChatRequest(
                id=f"{seed.id}/c{number}",
                messages=prompts.context_messages(
                    question=seed.question, style=own.style, max_words=own.max_words
                ),
                max_tokens=own.max_tokens,
                seed=llm.request_seed(params.llm.seed, f"{seed.id}/c{number}"),
                sample=number,
            )

    def rows(client: llm.ChatClient) -> Iterator[GeneratedContext]:
        results = client.complete(requests(), total=len(asked))
        progress = tqdm(results, "contexts", total=len(asked), unit="request", disable=None)
        for (seed, _), result in zip(asked, progress, strict=True):
            text, failure = "", result.failure
            if failure is None:
                text, failure = prompts.finish_context(
                    result.text, finish_reason=result.finish_reason, max_words=own.max_words
                )
            yield GeneratedContext(
                id=result.id,
                source_id=seed.id,
                text=text,
                failure=failure,
                model=result.model,
                finish_reason=result.finish_reason,
                prompt_tokens=result.prompt_tokens,
                completion_tokens=result.completion_tokens,
                prompt_sha256=prompt_sha256,
                style=own.style,
            )

    with llm.open_client(params.llm, cache_path=llm.default_cache_path()) as client:
        client.announce("generate_contexts", requests())
        made = list(rows(client))
        prompt_tokens = sum(row.prompt_tokens for row in made)
        completion_tokens = sum(row.completion_tokens for row in made)
        list_cost = client.list_cost(prompt_tokens, completion_tokens)
        used = client.summary()
    write_table(contexts, made, GeneratedContext)

    reasons = Counter(row.failure for row in made if row.failure is not None)
    good = [row for row in made if row.failure is None]
    write_metrics(
        metrics,
        {
            "n_requests": len(made),
            "n_contexts": len(good),
            "n_failed": dict(reasons),
            "n_by_model": dict(Counter(row.model for row in made if row.model is not None)),
            "n_by_finish_reason": dict(
                Counter(row.finish_reason for row in made if row.finish_reason is not None)
            ),
            "mean_words": sum(len(row.text.split()) for row in good) / len(good) if good else 0.0,
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            # At list price, cache or not: what was paid differs from run to run.
            "list_cost_usd": list_cost,
        },
    )
    return f"{len(good)} contexts from {len(made)} requests, {len(made) - len(good)} failed; {used}"


if __name__ == "__main__":
    run(generate_contexts)
