"""Let a language model write a context for each seed question."""

from collections import Counter
from collections.abc import Iterator

from tqdm import tqdm

from augqa import ids, llm, prompts
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.records import GeneratedContext, QAExample
from augqa.sentences import n_words
from augqa.stage import Input, Output, run
from augqa.tables import TableWriter, count_rows, iterate_table


def generate_contexts(seeds: Input, contexts: Output, metrics: Output) -> str:
    """Write one row a context asked for; a failed request is a row with its reason."""
    params = load_params()
    own = params.generate_contexts
    prompt_sha256 = prompts.context_prompt_sha256(own.style)
    total = count_rows(seeds) * own.contexts_per_seed

    # Read anew each time, one at a time: they may be too many for the memory.
    def asked() -> Iterator[tuple[QAExample, int]]:
        for seed in iterate_table(seeds, QAExample):
            for number in range(1, own.contexts_per_seed + 1):
                yield seed, number

    def requests() -> Iterator[llm.ChatRequest]:
        for seed, number in asked():
            yield llm.ChatRequest(
                id=ids.generated_context(seed.id, number),
                messages=prompts.context_messages(
                    question=seed.question, style=own.style, max_words=own.max_words
                ),
                max_tokens=own.max_tokens,
                seed=llm.request_seed(params.llm.seed, ids.generated_context(seed.id, number)),
                sample=number,
            )

    def rows(client: llm.ChatClient) -> Iterator[GeneratedContext]:
        results = client.complete(requests(), total=total)
        progress = tqdm(results, "contexts", total=total, unit="request", disable=None)
        for (seed, _), result in zip(asked(), progress, strict=True):
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

    n_requests = n_good = words = prompt_tokens = completion_tokens = 0
    reasons: Counter[str] = Counter()
    n_by_model: Counter[str] = Counter()
    n_by_finish_reason: Counter[str] = Counter()
    with llm.open_client(params.llm, cache_path=llm.default_cache_path()) as client:
        client.announce("generate_contexts", requests())
        with TableWriter(contexts, GeneratedContext) as table:
            for row in rows(client):
                table.write(row)
                n_requests += 1
                prompt_tokens += row.prompt_tokens
                completion_tokens += row.completion_tokens
                if row.model is not None:
                    n_by_model[row.model] += 1
                if row.finish_reason is not None:
                    n_by_finish_reason[row.finish_reason] += 1
                if row.failure is None:
                    n_good += 1
                    words += n_words(row.text)
                else:
                    reasons[row.failure] += 1
        list_cost = client.list_cost(prompt_tokens, completion_tokens)
        used = client.summary()

    write_metrics(
        metrics,
        {
            "n_requests": n_requests,
            "n_contexts": n_good,
            "n_failed": dict(reasons),
            "n_by_model": dict(n_by_model),
            "n_by_finish_reason": dict(n_by_finish_reason),
            "mean_words": words / n_good if n_good else 0.0,
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            # At list price, cache or not: what was paid differs from run to run.
            "list_cost_usd": list_cost,
        },
    )
    return f"{n_good} contexts from {n_requests} requests, {n_requests - n_good} failed; {used}"


if __name__ == "__main__":
    run(generate_contexts)
