"""What the server says: good answers, and faults by their names."""

import hashlib
import re
from typing import Any

MODEL = "loopback-1"

_WORDS = ("river", "bridge", "tower", "garden", "engine", "harbor", "market", "forest", "letter")


def answer_text(body: dict[str, Any]) -> str:
    """Return a text for a request: pairs where pairs are asked for, else some sentences."""
    content = body["messages"][-1]["content"]
    digest = hashlib.sha256(f"{body.get('seed')}:{content}".encode()).digest()
    if "questions and their answers" in content:
        passage = content.split("Passage:", 1)[-1]
        names = [word for word in re.findall(r"[A-Za-z]{4,}", passage) if word != "Write"]
        lines = []
        for number in range(2):
            word = names[digest[number] % len(names)] if names else "nothing"
            lines.append(f"Question: Which word number {number + 1} stands in the text?")
            lines.append(f"Answer: {word}")
        return "\n".join(lines)
    sentences = []
    for number in range(4):
        words = [_WORDS[digest[number * 6 + place] % len(_WORDS)] for place in range(6)]
        sentences.append(f"The {' '.join(words)} was built in {1500 + digest[number] * 2}.")
    return " ".join(sentences)


def completion(body: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the body of a good answer."""
    prompt = sum(len(message["content"].split()) for message in body["messages"])
    words = len(text.split())
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "system_fingerprint": "fp-loopback",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": words,
            "total_tokens": prompt + words,
        },
    }


def fault_reply(
    fault: str, good: dict[str, Any]
) -> tuple[int, dict[str, Any] | str, dict[str, str]]:
    """Return status, body and headers of a fault; a body that is a name is for `_misbehave`."""
    choice = good["choices"][0]
    match fault:
        case "429":
            return 429, {"error": {"message": "slow down"}}, {}
        case "429-after":
            return 429, {"error": {"message": "slow down"}}, {"retry-after": "1.5"}
        case "429-quota":
            return 429, {"error": {"message": "no money", "code": "insufficient_quota"}}, {}
        case "empty-choices":
            good["choices"] = []
        case "empty-text":
            choice["message"]["content"] = ""
        case "content-filter":
            choice["message"]["content"] = None
            choice["finish_reason"] = "content_filter"
        case "refusal":
            choice["message"] = {"role": "assistant", "content": None, "refusal": "No."}
        case "length":
            choice["finish_reason"] = "length"
        case "wrong-model":
            good["model"] = "another-model"
        case "not-json-text":
            choice["message"]["content"] = "no JSON here"
        case _ if fault.isdigit():
            return int(fault), {"error": {"message": f"fault {fault}"}}, {}
        case _:
            return 0, fault, {}
    return 200, good, {}
