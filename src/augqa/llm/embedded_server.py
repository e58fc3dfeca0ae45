"""The process of the embedded model: an OpenAI-compatible server on loopback.

Run as ``python -m augqa.llm.embedded_server MODEL NAME THREADS``. It prints its address as one
line and serves until its standard input closes, which happens however its parent ends.

OpenVINO GenAI writes the texts of all requests that are there together, a token each at a step. A
text depends on its own request alone, not on what is computed beside it, for which four things
see, since a product's last bits depend on how many rows it has:

- Each request has its own sampler seed.
- A prompt is read whole, in a step of its own. Cut into parts, or beside other rows, it would be
  read by another kernel; what another prompt left in the key-value cache would cut it as well, so
  that worked examples which prompts share are read anew each time.
- A filler sequence keeps a lone row company: from two rows on the kernel is one and the same.
- Keys and values are kept in f16: the default, u8, rounds by blocks of several tokens.
"""

import itertools
import json
import os
import queue
import sys
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import openvino_genai

_CACHE_GIB = 2
_MAX_PROMPT_TOKENS = 4096
_SLOTS = 64
_KV_PRECISION = "f16"
_PRECISION = "f32"  # bf16 is the default on processors that have it, and gives other texts
_FILLER_TOKENS = 512
_RUNNING = openvino_genai.GenerationStatus.RUNNING
_FINISH_REASONS = {
    openvino_genai.GenerationFinishReason.STOP: "stop",
    openvino_genai.GenerationFinishReason.LENGTH: "length",
}


@dataclass(slots=True)
class _Job:
    """One request on its way through the engine."""

    body: dict[str, Any]
    answer: "Future[dict[str, Any]]"
    n_prompt_tokens: int = 0
    handle: Any = None


class Engine:
    """The model and the thread that steps it.

    Args:
        model_file: A GGUF file, or a folder of OpenVINO.
        name: Name the model is served under.
        threads: Threads of the computation; another number gives other bytes.
    """

    def __init__(self, model_file: str, name: str, threads: int) -> None:
        self._name = name
        self._model_file = model_file
        self._threads = threads
        self._open()
        self._inbox: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="engine", daemon=True).start()

    def _open(self) -> None:
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.cache_size = _CACHE_GIB
        scheduler.enable_prefix_caching = False
        scheduler.max_num_batched_tokens = _MAX_PROMPT_TOKENS
        scheduler.max_num_seqs = _SLOTS
        scheduler.dynamic_split_fuse = False
        self._pipeline = openvino_genai.ContinuousBatchingPipeline(
            self._model_file,
            scheduler,
            "CPU",
            {
                "KV_CACHE_PRECISION": _KV_PRECISION,
                "INFERENCE_PRECISION_HINT": _PRECISION,
                "INFERENCE_NUM_THREADS": self._threads,
            },
        )
        self._tokenizer = self._pipeline.get_tokenizer()

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """Answer one request; blocks until its text is there."""
        job = _Job(body=body, answer=Future())
        self._inbox.put(job)
        return job.answer.result()

    def _work(self) -> None:
        running: list[_Job] = []
        filler: Any = None
        for number in itertools.count():
            try:
                if not running or (len(running) < _SLOTS - 1 and not self._inbox.empty()):
                    job = self._inbox.get()
                    try:
                        self._start(job, number)
                    except Exception as error:  # noqa: BLE001 - goes to the one who asked
                        job.answer.set_exception(error)
                        continue
                    running.append(job)
                elif len(running) == 1 and filler is None:
                    filler = self._filler(number)
                # What has just been started is read in this step, and nothing else is done in it.
                self._pipeline.step()
            except Exception as error:  # noqa: BLE001 - goes to those who asked
                # A schema is read at the first step. The engine would fail at each further one.
                for job in running:
                    job.answer.set_exception(error)
                running, filler = [], None
                self._open()
                continue
            if filler is not None and filler.get_status() != _RUNNING:
                filler = None
            still: list[_Job] = []
            for job in running:
                if job.handle.get_status() == _RUNNING:
                    still.append(job)
                else:
                    job.answer.set_result(self._answer(job))
            running = still
            if filler is not None and len(running) != 1:
                filler.stop()
                filler = None

    def _filler(self, number: int) -> Any:
        """Start a sequence whose text nobody reads."""
        config = openvino_genai.GenerationConfig()
        config.max_new_tokens = _FILLER_TOKENS
        config.ignore_eos = True
        tokens = self._tokenizer.encode("Filler.", add_special_tokens=False).input_ids
        return self._pipeline.add_request(number, tokens, config)

    def _start(self, job: _Job, number: int) -> None:
        body = job.body
        prompt = self._tokenizer.apply_chat_template(body["messages"], add_generation_prompt=True)
        tokens = self._tokenizer.encode(prompt, add_special_tokens=False).input_ids
        job.n_prompt_tokens = tokens.shape[1]
        if job.n_prompt_tokens > _MAX_PROMPT_TOKENS:
            raise ValueError(
                f"the prompt has {job.n_prompt_tokens} tokens, more than the {_MAX_PROMPT_TOKENS}"
                " that the embedded engine reads at once"
            )
        config = openvino_genai.GenerationConfig()
        config.max_new_tokens = int(body["max_tokens"])
        temperature = body.get("temperature", 1.0)
        config.do_sample = temperature > 0
        if config.do_sample:
            config.temperature = float(temperature)
            config.top_p = float(body.get("top_p", 1.0))
            config.rng_seed = int(body.get("seed", 0))
        config.logprobs = int(bool(body.get("logprobs")))
        config.repetition_penalty = float(body.get("repetition_penalty", 1.0))
        if body.get("stop"):
            config.stop_strings = set(body["stop"])
        schema = _json_schema(body)
        if schema is not None:
            structure = openvino_genai.StructuredOutputConfig()
            structure.json_schema = json.dumps(schema)
            config.structured_output_config = structure
        job.handle = self._pipeline.add_request(number, tokens, config)

    def _answer(self, job: _Job) -> dict[str, Any]:
        output = job.handle.read_all()[0]
        return {
            "id": "chatcmpl-embedded",
            "object": "chat.completion",
            "created": 0,
            "model": self._name,
            "system_fingerprint": f"openvino-genai-{openvino_genai.__version__}",
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": self._tokenizer.decode(output.generated_ids).strip(),
                    },
                    "finish_reason": _FINISH_REASONS.get(output.finish_reason, "stop"),
                    "logprobs": self._log_probabilities(job, output),
                }
            ],
            "usage": {
                "prompt_tokens": job.n_prompt_tokens,
                "completion_tokens": len(output.generated_ids),
                "total_tokens": job.n_prompt_tokens + len(output.generated_ids),
            },
        }

    def _log_probabilities(self, job: _Job, output: Any) -> dict[str, Any] | None:
        """Return each token's, as OpenAI's API has them; None where they were not asked for."""
        if not job.body.get("logprobs"):
            return None
        both = zip(output.generated_ids, output.generated_log_probs, strict=True)
        return {
            "content": [
                {"token": self._tokenizer.decode([int(id_)]), "logprob": float(value)}
                for id_, value in both
            ]
        }


def _json_schema(body: dict[str, Any]) -> dict[str, Any] | None:
    """Return the schema that the text must follow; None where any text will do."""
    wanted = body.get("response_format") or {"type": "text"}
    match wanted["type"]:
        case "text":
            return None
        case "json_schema":
            schema: dict[str, Any] = wanted["json_schema"]["schema"]
            return schema
    raise ValueError(f"response_format {wanted['type']!r} is not supported, but text, json_schema")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    engine: Engine


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        """Answer a chat completion."""
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/v1/chat/completions":
            self._reply(404, {"error": {"message": f"no such path: {self.path}"}})
            return
        try:
            self._reply(200, self.server.engine.complete(json.loads(content)))
        except Exception as error:  # noqa: BLE001 - a bad request must not end the server
            self._reply(400, {"error": {"message": f"{type(error).__name__}: {error}"}})

    def _reply(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode("utf-8")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the client reports what fails."""


def _leave_with_parent() -> None:
    sys.stdin.buffer.read()
    # The engine's threads would keep the interpreter waiting.
    os._exit(0)


def main() -> None:
    """Serve a model until standard input closes."""
    model_file, name, threads = sys.argv[1:4]
    threading.Thread(target=_leave_with_parent, name="parent", daemon=True).start()
    server = _Server(("127.0.0.1", 0), _Handler)
    server.engine = Engine(model_file, name, int(threads))
    sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
