"""A language model grades pairs: one request a pair, three grades from 1 to 5, by a rubric."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from augqa import llm
from augqa.cleaning import json_values, without_thinking
from augqa.metrics import Usage
from augqa.params import Llm
from augqa.prompts.templates import Template, own_template, packaged
from augqa.records import Judgement, QAExample

ASPECTS = ("question", "answer", "grounding")
_PLACES = ("context", "question", "answer")
_GRADE: Mapping[str, Any] = {"type": "integer", "enum": [1, 2, 3, 4, 5]}
GRADES_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": dict.fromkeys(ASPECTS, _GRADE),
    "required": list(ASPECTS),
    "additionalProperties": False,
}
# "Question: 5", "**Answer:** 4/5", "- grounding = 3". Bounded runs alone: linear in the text.
_LINE = re.compile(
    r"\b(question|answer|grounding)\b[ \t*_:=-]{1,8}([1-5])(?![0-9.,])(?: ?/ ?5)?", re.IGNORECASE
)


def judged_table(folder: Path | None) -> Path | None:
    """Return the table of judgements of kept pairs in data/judgements; None where there is none."""
    path = None if folder is None else folder / "kept" / "judgements.parquet"
    return path if path is not None and path.is_file() else None


def parse_grades(text: str) -> tuple[int, int, int] | None:
    """Return the grades for question, answer and grounding; None unless each is given once alike.

    They are read from lines or from a JSON object, with or without talk and thinking around them.
    """
    text, _ = without_thinking(text)
    found: dict[str, set[int]] = {aspect: set() for aspect in ASPECTS}
    for value in json_values(text):
        if isinstance(value, dict):
            for aspect in ASPECTS:
                grade = value.get(aspect)
                if type(grade) is int and 1 <= grade <= 5:
                    found[aspect].add(grade)
    if not any(found.values()):
        for match in _LINE.finditer(text):
            found[match[1].lower()].add(int(match[2]))
    if any(len(grades) != 1 for grades in found.values()):
        return None
    first, second, third = (next(iter(found[aspect])) for aspect in ASPECTS)
    return first, second, third


@dataclass(slots=True, kw_only=True)
class Judge:
    """Grades pairs by asking a language model.

    Attributes:
        endpoint: The language model.
        template: What it is asked.
        max_tokens: Most tokens of a reply.
        structured: Whether to ask for JSON by a schema.
        usage: Tokens, and what they cost at list price; counts of grades.
    """

    endpoint: Llm
    template: Template
    max_tokens: int
    structured: bool
    usage: Usage = field(default_factory=Usage)

    @classmethod
    def of(
        cls,
        endpoint: Llm,
        *,
        prompts: Path,
        max_tokens: int,
        structured: bool,
        prompt: str | None,
    ) -> "Judge":
        """Return the judge that section `judge_pairs` of the params describes.

        Raises:
            ParamsError: If the prompt is not one that can be used.
        """
        template = packaged("judge_json" if structured else "judge")
        if prompt is not None:
            param = "judge_pairs.prompt"
            template = own_template(
                prompt, folder=prompts, param=param, needed=_PLACES, known=_PLACES
            )
        return cls(
            endpoint=endpoint, template=template, max_tokens=max_tokens, structured=structured
        )

    def grade(self, pairs: Callable[[], Iterable[QAExample]]) -> Iterator[Judgement]:
        """Yield a judgement of each pair, in their order, as the replies come.

        Args:
            pairs: Reads the pairs; called twice, since what is to be sent is counted first.

        Raises:
            GenerationError: As the client of the language model.
        """
        if next(iter(pairs()), None) is None:
            return
        counts: Counter[str] = Counter()
        with llm.open_client(self.endpoint, cache_path=llm.default_cache_path()) as client:
            total = client.announce("judge_pairs", map(self._request, pairs())).n_requests
            for result in client.complete(map(self._request, pairs()), total=total):
                counts["prompt_tokens"] += result.prompt_tokens
                counts["completion_tokens"] += result.completion_tokens
                row = self._judgement(result)
                counts["n_judged" if row.failure is None else f"n_failed.{row.failure}"] += 1
                yield row
            cost = client.list_cost(counts["prompt_tokens"], counts["completion_tokens"])
            self.usage = Usage(metrics={**counts, "list_cost_usd": cost}, line=client.summary())

    def _request(self, pair: QAExample) -> llm.ChatRequest:
        texts = {
            "context": pair.context,
            "question": pair.question,
            "answer": pair.answers[0].text,
        }
        return llm.ChatRequest(
            id=pair.id,
            messages=self.template.render({k: " ".join(v.split()) for k, v in texts.items()}),
            max_tokens=self.max_tokens,
            seed=llm.request_seed(self.endpoint.seed, pair.id),
            json_schema=GRADES_SCHEMA if self.structured else None,
        )

    def _judgement(self, result: llm.ChatResult) -> Judgement:
        grades = None if result.failure is not None else parse_grades(result.text)
        failure = result.failure or (None if grades is not None else "unreadable_grades")
        question, answer, grounding = grades if grades is not None else (None, None, None)
        return Judgement(
            id=result.id,
            question=question,
            answer=answer,
            grounding=grounding,
            failure=failure,
            model=result.model,
            prompt_sha256=self.template.sha256,
        )
