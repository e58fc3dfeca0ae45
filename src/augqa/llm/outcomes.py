"""What came back, counted: who has answered, how many failed, and when that ends a run."""

import logging
import threading
from pathlib import Path

from augqa.errors import GenerationError
from augqa.llm.cost import Budget, Usage
from augqa.llm.request import ChatResult, ServedModel

log = logging.getLogger("augqa.llm")

# A share of very few says nothing yet.
_MIN_OUTCOMES = 50
# Answers by another model, one after the other, after some by the right one.
_WRONG_IN_ROW = 3


class Outcomes:
    """Counts the results of a run, and ends it where they are none.

    Safe to use from several threads.

    Args:
        endpoint: Name of the endpoint, for messages.
        served: The names that an answer may carry.
        max_failed_fraction: Share of failed requests that a run may have.
        cache_path: Where what arrived is kept, for messages.
        usage: Takes the counts.
        budget: Takes what was saved.

    Attributes:
        n_refused_by_shape: Requests whose form may be what was refused.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        served: ServedModel,
        max_failed_fraction: float,
        cache_path: Path,
        usage: Usage,
        budget: Budget,
    ) -> None:
        self._endpoint = endpoint
        self._served = served
        self._max_failed_fraction = max_failed_fraction
        self._cache_path = cache_path
        self._usage = usage
        self._budget = budget
        self._counting = threading.Lock()
        self._last_failure = "unknown"
        self._failures_told: set[str] = set()
        self._models_seen: dict[str, None] = {}
        self._n_wrong_in_row = 0
        self.n_refused_by_shape = 0

    def count(self, result: ChatResult) -> None:
        """Count a result, and look who has answered.

        Raises:
            GenerationError: If it is another model than the one asked for: at the first answer,
                or at several in a row later.
        """
        usage = self._usage
        with self._counting:
            usage.n_requests += 1
            usage.n_failed += result.failure is not None
            if result.cached:
                usage.n_cached += 1
                usage.saved_prompt_tokens += result.prompt_tokens
                usage.saved_completion_tokens += result.completion_tokens
                self._budget.save(result.prompt_tokens, result.completion_tokens)
            if result.failure not in (None, "wrong_model"):
                self._tell(result.failure, result.detail)
            self._see_model(result)

    def _see_model(self, result: ChatResult) -> None:
        if result.failure == "wrong_model":
            self._n_wrong_in_row += 1
            fault = self._served.fault(result.model)
            self._tell("wrong_model", fault)
            if self._models_seen and self._n_wrong_in_row < _WRONG_IN_ROW:
                return
            raise GenerationError(
                f"{self._endpoint}: {self._served.advice(result.model)} What arrived is kept in"
                f" {self._cache_path}."
            )
        if result.model is None or not self._served.accepts(result.model):
            return
        self._n_wrong_in_row = 0
        if self._models_seen and result.model not in self._models_seen:
            log.warning(
                "%s: %s answers now, %s before",
                self._endpoint,
                result.model,
                ", ".join(self._models_seen),
            )
        self._models_seen[result.model] = None

    def _tell(self, reason: str, detail: str) -> None:
        """Keep the reason of a failure; log the first one of its kind."""
        self._last_failure = f"{reason} ({detail})" if detail else reason
        if reason not in self._failures_told:
            self._failures_told.add(reason)
            log.warning("%s: a request failed: %s", self._endpoint, self._last_failure)

    def judge(self, *, final: bool) -> None:
        """End the run where too many have failed.

        Args:
            final: Whether all results are there.

        Raises:
            GenerationError: If so.
        """
        usage = self._usage
        if final and self.n_refused_by_shape and self.n_refused_by_shape == usage.n_requests:
            raise self.nothing_answered()
        if not usage.n_failed or (not final and usage.n_requests < _MIN_OUTCOMES):
            return
        allowed = self._max_failed_fraction
        if usage.n_failed > allowed * usage.n_requests:
            raise GenerationError(
                f"{usage.n_failed} of {usage.n_requests} requests to {self._endpoint}"
                f" failed, more than llm.max_failed_fraction {allowed:g} allows; the last reason"
                f" is {self._last_failure}. What arrived is kept in {self._cache_path}: run again"
                " when the endpoint is well."
            )

    def nothing_answered(self) -> GenerationError:
        """Return what to say where not one of the first requests got an answer."""
        return GenerationError(
            f"{self._endpoint}: not one of the first {self._usage.n_requests} requests got an"
            f" answer; the last reason is {self._last_failure}. If the endpoint does not take their"
            " form, section llm of params.yaml changes it: token_limit_param, temperature, top_p,"
            " send_seed, send_stop, extra_body."
        )
