"""The writer that asks a language model, at an endpoint or the embedded one."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tqdm import tqdm

from augqa import llm, prompts
from augqa.context_writer.choosing import ChoosingWriter, choosing
from augqa.context_writer.entries import Given
from augqa.context_writer.face import ContextAsk
from augqa.looping import without_loop
from augqa.metrics import Usage
from augqa.params import Llm
from augqa.prompts.templates import Template, own_template
from augqa.records import GeneratedContext


def load(_: None, given: Given) -> ChoosingWriter:
    """Return the writer, with the templates of all styles read.

    Raises:
        ParamsError: If a template of the user's own is not as it must be.
    """
    params = given.params
    needed = prompts.CONDITION_PLACES[params.condition]

    def own(path: str, param: str) -> Template:
        return own_template(
            path,
            folder=given.prompts,
            param=param,
            needed=needed,
            known=(*needed, "max_words"),
        )

    templates = {}
    for style in params.styles:
        if params.prompt is not None:
            templates[style] = own(params.prompt, "generate_contexts.prompt")
        elif style in prompts.STYLES:
            templates[style] = prompts.context_template(style, params.condition)
        else:
            templates[style] = own(style, "generate_contexts.styles")
    writer = PromptedWriter(
        endpoint=given.endpoint,
        templates=templates,
        max_words=params.max_words,
        max_tokens=params.max_tokens,
        repetition_penalty=params.repetition_penalty,
        cut_loops_above=params.cut_loops_above,
    )
    return choosing(writer, given)


@dataclass(slots=True, kw_only=True)
class PromptedWriter:
    """Asks a language model for each context.

    Attributes:
        endpoint: The language model.
        templates: The prompt of each style.
        max_words: Most words of a context.
        max_tokens: Most tokens of a reply.
        repetition_penalty: As of `ChatRequest`.
        cut_loops_above: Repeated fraction above which a text ends before it begins to say again
            what it has said; None: never.
        usage: What it cost at list price.
    """

    endpoint: Llm
    templates: Mapping[str, Template]
    max_words: int
    max_tokens: int
    repetition_penalty: float | None
    cut_loops_above: float | None = None
    usage: Usage = field(default_factory=Usage)

    def write(self, asks: Iterable[ContextAsk]) -> Iterator[GeneratedContext]:
        """Yield a context or its failure for each ask, in their order, as the replies come.

        Raises:
            GenerationError: As the client of the language model.
        """
        with llm.open_client(self.endpoint, cache_path=llm.default_cache_path()) as client:
            total = client.announce("generate_contexts", map(self._request, asks)).n_requests
            results = client.complete(map(self._request, asks), total=total)
            bar = tqdm(results, "contexts", total=total, unit="request", disable=None)
            prompt_tokens = completion_tokens = 0
            for ask, result in zip(asks, bar, strict=True):
                prompt_tokens += result.prompt_tokens
                completion_tokens += result.completion_tokens
                yield self._context(ask, result)
            self.usage = Usage(
                # At list price, cache or not: what was paid differs from run to run.
                metrics={"list_cost_usd": client.list_cost(prompt_tokens, completion_tokens)},
                line=client.summary(),
            )

    def _request(self, ask: ContextAsk) -> llm.ChatRequest:
        seed = ask.seed
        values = {
            "question": seed.question,
            "answer": seed.answers[0].text,
            "context": " ".join(seed.context.split()),
            "max_words": str(self.max_words),
        }
        return llm.ChatRequest(
            id=ask.id,
            messages=self.templates[ask.style].render(values),
            max_tokens=self.max_tokens,
            seed=llm.request_seed(self.endpoint.seed, ask.id),
            sample=ask.number,
            repetition_penalty=self.repetition_penalty,
        )

    def _context(self, ask: ContextAsk, result: llm.ChatResult) -> GeneratedContext:
        text, failure = "", result.failure
        if failure is None:
            text, failure = prompts.finish_context(
                result.text, finish_reason=result.finish_reason, max_words=self.max_words
            )
        if self.cut_loops_above is not None:
            text = without_loop(text, above=self.cut_loops_above)
        return GeneratedContext(
            id=result.id,
            source_id=ask.seed.id,
            text=text,
            failure=failure,
            model=result.model,
            finish_reason=result.finish_reason,
            prompt_tokens=result.prompt_tokens,
            completion_tokens=result.completion_tokens,
            prompt_sha256=self.templates[ask.style].sha256,
            style=ask.style,
        )
