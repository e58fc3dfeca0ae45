"""How each endpoint of the field answers and errs, written from their documented forms.

An answer is made of the usual one; an error is status, headers and body.
"""

from collections.abc import Callable
from typing import Any

from tests.loopback.answers import answer_text, completion
from tests.loopback.behavior import Reply

Answer = dict[str, Any]
# A hosted name, or the file that a local server has loaded.
SERVED = {
    "openai": ("gpt-4o", "gpt-4o-2024-08-06"),
    "azure": ("my-deployment", "gpt-4o-2024-08-06"),
    "openrouter": ("meta/llama-3.1-8b:free", "meta/llama-3.1-8b"),
    "vllm": ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B"),
    "sglang": ("default", "Qwen/Qwen3-0.6B"),
    "llama.cpp": ("any", "Qwen3-0.6B-Q4_0.gguf"),
    "ollama": ("qwen3:0.6b", "qwen3:0.6b"),
    "litellm": ("openai/gpt-4o", "gpt-4o-2024-08-06"),
    "gemini": ("gemini-2.5-flash", "gemini-2.5-flash"),
    "xai": ("grok-3-latest", "grok-3"),
}


def answer(endpoint: str, body: dict[str, Any]) -> Answer:
    """Return an endpoint's good answer."""
    good = completion(body, answer_text(body))
    choice, message = good["choices"][0], good["choices"][0]["message"]
    good["model"] = SERVED[endpoint][1]
    match endpoint:
        case "openai":
            message |= {"refusal": None, "annotations": []}
            choice["logprobs"] = None
            good["usage"]["completion_tokens_details"] = {"reasoning_tokens": 0}
            good["service_tier"] = "default"
        case "azure":
            fine = {"hate": {"filtered": False, "severity": "safe"}}
            choice["content_filter_results"] = fine
            good["prompt_filter_results"] = [{"prompt_index": 0, "content_filter_results": fine}]
        case "openrouter":
            message |= {"refusal": None, "reasoning": "It is about a bridge."}
            choice["native_finish_reason"] = "STOP"
            good["provider"] = "DeepInfra"
        case "vllm":
            message |= {"refusal": None, "reasoning": None, "tool_calls": []}
            choice["stop_reason"] = None
            good["prompt_logprobs"] = None
        case "sglang":
            message["reasoning_content"] = None
            choice["matched_stop"] = 151645
            good["metadata"] = {"weight_version": "default"}
        case "llama.cpp":
            good["timings"] = {"prompt_n": 10, "predicted_per_second": 40.5}
            good["system_fingerprint"] = "b6000-abcdef"
        case "ollama":
            good["system_fingerprint"] = "fp_ollama"
        case "litellm":
            message |= {"tool_calls": None, "function_call": None}
        case "gemini":
            message["extra_content"] = {"google": {"thought_signature": "abc"}}
            del good["system_fingerprint"]
        case "xai":
            message["refusal"] = None
    return good


def answering(endpoint: str) -> Callable[[dict[str, Any], int], Reply]:
    """Return what a `Behavior` answers as that endpoint."""
    return lambda body, _n_before: Reply(content=answer(endpoint, body))


# What happened -> how an endpoint says so: (endpoint, status, headers, body).
Said = tuple[str, int, dict[str, str], Any]
QUOTA: list[Said] = [
    ("openai", 429, {}, {"error": {"message": "You exceeded your current quota, please check your"
        " plan and billing details.", "type": "insufficient_quota", "code": "insufficient_quota"}}),
    ("by type", 429, {}, {"error": {"message": "no", "type": "insufficient_quota", "code": None}}),
    ("by status 200", 200, {}, {"error": {"message": "no", "code": "insufficient_quota"}}),
    ("in words", 429, {}, {"error": {"message": "You exceeded your current quota."}}),
    ("gemini, a day's", 429, {}, [{"error": {"code": 429, "message": "You exceeded your current"
        " quota, please check your plan and billing details.", "status": "RESOURCE_EXHAUSTED"}}]),
    ("openrouter", 402, {}, {"error": {"code": 402, "message": "It requires more credits"}}),
    ("deepseek", 402, {}, {"error": {"message": "Insufficient Balance", "type": "unknown_error"}}),
]  # fmt: skip
BUSY: list[Said] = [
    ("openai", 429, {"retry-after-ms": "20"}, {"error": {"message": "Rate limit reached. Please"
        " try again in 20ms.", "type": "requests", "code": "rate_limit_exceeded"}}),
    ("azure", 429, {"retry-after": "1"}, {"error": {"code": "429", "message": "Requests have"
        " exceeded call rate limit. Please retry after 1 second."}}),
    ("gemini, a minute's", 429, {}, [{"error": {"code": 429, "message": "You exceeded your"
        " current quota, please check your plan. Please retry in 0.5s.", "status":
        "RESOURCE_EXHAUSTED", "details": [{"@type": "RetryInfo", "retryDelay": "0.5s"}]}}]),
    ("openrouter", 200, {}, {"error": {"code": 429, "message": "Rate limit exceeded"}}),
    ("openrouter, in a choice", 200, {}, {"choices": [{"error": {"code": 429, "message": "busy"},
        "finish_reason": "error"}]}),
    ("by code", 200, {}, {"error": {"message": "later", "code": "rate_limit_exceeded"}}),
    ("gemini by status", 200, {}, [{"error": {"message": "no", "status": "RESOURCE_EXHAUSTED"}}]),
    ("in words", 200, {}, {"error": "Too many requests, slow down"}),
]  # fmt: skip
PASSING: list[Said] = [
    ("openai", 500, {}, {"error": {"message": "The server had an error", "type": "server_error"}}),
    ("gemini", 503, {}, [{"error": {"code": 503, "message": "The model is overloaded.",
        "status": "UNAVAILABLE"}}]),
    ("openrouter", 200, {}, {"error": {"code": 502, "message": "Provider returned error"}}),
    ("openrouter, in a choice", 200, {}, {"choices": [{"error": {"code": 502, "message": "no"},
        "message": {"content": ""}, "finish_reason": "error"}]}),
    ("llama.cpp", 503, {}, {"error": {"code": 503, "message": "Loading model",
        "type": "unavailable_error"}}),
    ("unknown words", 200, {}, {"error": "something broke"}),
    ("anthropic", 529, {}, {"error": {"type": "overloaded_error", "message": "Overloaded"}}),
]  # fmt: skip
FILTERED: list[Said] = [
    ("azure", 400, {}, {"error": {"message": "The response was filtered due to the prompt"
        " triggering Azure OpenAI's content management policy.", "code": "content_filter", "status":
        400, "innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
    ("openai", 400, {}, {"error": {"message": "Your request was flagged", "type":
        "invalid_request_error", "code": "content_policy_violation"}}),
    ("openrouter", 403, {}, {"error": {"code": 403, "message": "Your input was flagged",
        "metadata": {"reasons": ["violence"], "flagged_input": "..."}}}),
    ("by status 200", 200, {}, {"error": {"message": "no", "code": "content_filter"}}),
]  # fmt: skip
TOO_LONG: list[Said] = [
    ("openai", 400, {}, {"error": {"message": "This model's maximum context length is 8192 tokens.",
        "type": "invalid_request_error", "code": "context_length_exceeded"}}),
    ("vllm", 400, {}, {"object": "error", "message": "This model's maximum context length is 2048"
        " tokens. However, you requested 3000 tokens", "type": "BadRequestError", "code": 400}),
    ("llama.cpp", 400, {}, {"error": {"code": 400, "message": "the request exceeds the available"
        " context size, try increasing it", "type": "exceed_context_size_error", "n_ctx": 512}}),
    ("litellm", 400, {}, {"error": {"message": "litellm.ContextWindowExceededError: too long",
        "type": None, "param": None, "code": "400"}}),
    ("gemini", 400, {}, [{"error": {"code": 400, "message": "The input token count (9) exceeds the"
        " maximum number of tokens allowed (8).", "status": "INVALID_ARGUMENT"}}]),
]  # fmt: skip
STOPPING: list[Said] = [
    ("openai", 401, {}, {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}),
    ("by code", 200, {}, {"error": {"message": "bad", "type": "invalid_request_error",
        "code": "invalid_api_key"}}),
    ("gemini", 403, {}, [{"error": {"code": 403, "message": "no", "status": "PERMISSION_DENIED"}}]),
    ("ollama", 404, {}, {"error": {"message": "model 'x' not found, try pulling it first"}}),
    ("azure", 404, {}, {"error": {"code": "DeploymentNotFound", "message": "no such deployment"}}),
    ("a redirect", 308, {"location": "https://elsewhere/v1"}, b""),
]  # fmt: skip
REFUSED: list[Said] = [
    ("openai", 400, {}, {"error": {"message": "Unsupported parameter: 'max_tokens'", "type":
        "invalid_request_error", "code": "unsupported_parameter"}}),
    ("vllm", 400, {}, {"object": "error", "message": "no", "type": "BadRequestError", "code": 400}),
    ("fastapi", 422, {}, {"detail": [{"loc": ["body"], "msg": "field required"}]}),
    ("gemini", 400, {}, [{"error": {"code": 400, "message": "Invalid value at 'seed'",
        "status": "INVALID_ARGUMENT"}}]),
    ("by status 200", 200, {}, {"error": {"message": "no", "type": "invalid_request_error"}}),
]  # fmt: skip
