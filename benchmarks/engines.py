"""Engines for answering, compared: ours, OpenVINO and ONNX Runtime, each in float32 and 8 bits.

Same windows in the same passes, one thread each, the best of some alternating runs, in CPU
time: so it may be run beside other work. OpenVINO gets the network written in its own
operations, ONNX Runtime the network of transformers as torch exports it; both padded to the
longest window of a pass. OpenVINO's 8 bits have the ranges of these very windows, which is more
than an answering reader could know; ONNX Runtime's take the range of each tensor as it comes.
The last line is one JSON object.

    make .setup-bench
    python benchmarks/engines.py --model data/models/real-1 --data data/external
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
from command import run_command
from openvino import opset13 as ops
from torch import Tensor

from augqa.finetuning.batches import passes
from augqa.formats import read_examples
from augqa.reader import Reader
from augqa.reader.batch import Batch, make_batch
from augqa.reader.bert import Bert, Entered
from augqa.reader.buffers import Workspace

try:
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic
except ModuleNotFoundError as error:
    raise SystemExit(f"{error.name}: not installed; `make .setup-bench` installs it") from error

PASS_TOKENS = 1024
LEVELS = 256
INPUTS = ("ids", "types", "positions", "mask")


class Network:
    """A BERT in OpenVINO's operations.

    Args:
        bert: The model.
        ranges: Lowest and highest input of each layer's four products; None: float32.
    """

    def __init__(self, bert: Bert, ranges: list[tuple[float, float]] | None) -> None:
        self._ranges = iter(ranges) if ranges else None
        self._width = bert.width
        self._eps = bert.eps
        ids, types, positions = (
            ops.parameter([-1, -1], np.int32, name) for name in ("ids", "types", "positions")
        )
        mask = ops.parameter([-1, 1, 1, -1], np.float32, "mask")
        rows = [
            ops.gather(constant(table), index, ops.constant(np.int64(0)))
            for table, index in zip(bert.tables, (ids, positions, types), strict=True)
        ]
        x = self._norm(ops.add(ops.add(rows[0], rows[1]), rows[2]), *bert.rest[:2])
        split = ops.constant(np.array([0, 0, bert.n_heads, self._width // bert.n_heads]))
        joined = ops.constant(np.array([0, 0, self._width]))
        for layer in bert.layers:
            entering = self._rounded(x)
            query, key, value = (
                ops.transpose(
                    ops.reshape(self._product(entering, weight, bias), split, True),
                    ops.constant(np.array(order)),
                )
                for weight, bias, order in zip(
                    layer.qkv.chunk(3),
                    layer.qkv_bias.chunk(3),
                    ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]),
                    strict=True,
                )
            )
            weights = ops.softmax(ops.add(ops.matmul(query, key, False, False), mask), 3)
            attended = ops.transpose(
                ops.matmul(weights, value, False, False), ops.constant(np.array([0, 2, 1, 3]))
            )
            attended = self._rounded(ops.reshape(attended, joined, True))
            mixed = self._product(attended, layer.mixed, layer.mixed_bias)
            middle = self._norm(ops.add(mixed, x), *layer.norms)
            raised = self._product(self._rounded(middle), layer.up, layer.up_bias)
            activated = self._rounded(ops.gelu(raised, "erf"))
            down = self._product(activated, layer.down, layer.down_bias)
            x = self._norm(ops.add(down, middle), *layer.last_norms)
        head = ops.matmul(x, constant(bert.rest[2]), False, True)
        out = ops.add(head, constant(bert.rest[3].view(1, 1, -1)))
        self.model = ov.Model([ops.result(out)], [ids, types, positions, mask], "bert")

    def _norm(self, x: Any, weight: Tensor, bias: Tensor) -> Any:
        x = ops.mvn(x, ops.constant(np.array([-1])), True, self._eps, "inside_sqrt")
        x = ops.multiply(x, constant(weight.view(1, 1, -1)))
        return ops.add(x, constant(bias.view(1, 1, -1)))

    def _rounded(self, x: Any) -> Any:
        if self._ranges is None:
            return x
        ends = [ops.constant(np.float32(end)) for end in next(self._ranges)]
        return ops.fake_quantize(x, *ends, *ends, LEVELS)

    def _product(self, x: Any, weight: Tensor, bias: Tensor) -> Any:
        factor = constant(weight)
        if self._ranges is not None:
            scales = weight.abs().amax(1, keepdim=True) / 127
            whole = ops.constant(torch.round(weight / scales).to(torch.int8).numpy())
            factor = ops.multiply(ops.convert(whole, "f32"), constant(scales))
        return ops.add(ops.matmul(x, factor, False, True), constant(bias.view(1, 1, -1)))


def constant(tensor: Tensor) -> Any:
    """Return a tensor as a constant of the network."""
    return ops.constant(tensor.detach().numpy())


def padded(batch: Batch, first_position: int) -> tuple[list[Any], Any]:
    """Return the network's inputs for a batch, and where no padding is."""
    lengths = torch.tensor(batch.lengths)
    inside = torch.arange(int(lengths.max())) < lengths[:, None]

    def spread(flat: Tensor) -> Any:
        out = torch.zeros(inside.shape, dtype=torch.int32)
        out[inside] = flat.int()
        return out.numpy()

    mask = np.where(inside.numpy(), np.float32(0), np.float32(-1e9))[:, None, None, :]
    positions = spread(batch.positions + first_position)
    return [spread(batch.ids), spread(batch.types), positions, mask], inside.numpy()


def openvino_engine(
    bert: Bert, batches: list[Batch], ranges: list[tuple[float, float]] | None
) -> Callable[[], list[Tensor]]:
    """Return what runs all batches through OpenVINO."""
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = ov.Core().compile_model(Network(bert, ranges).model, "CPU", settings)
    request = compiled.create_infer_request()
    fed = [padded(batch, bert.first_position) for batch in batches]
    return lambda: [
        torch.from_numpy(request.infer(inputs, share_inputs=True)[0][inside])
        for inputs, inside in fed
    ]


class Logits(torch.nn.Module):
    """Start and end logits of a model of transformers, from what `padded` returns."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self._model = model

    def forward(self, ids: Tensor, types: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        # A mask of four dimensions is added as it is.
        out = self._model(
            input_ids=ids, token_type_ids=types, position_ids=positions, attention_mask=mask
        )
        return torch.stack([out.start_logits, out.end_logits], -1)


def export(reader: Reader, batch: Batch, path: Path) -> None:
    """Write the reader's network as ONNX, for batches of any shape."""
    inputs, _ = padded(batch, reader.encoder.first_position)
    axes = {name: {0: "row", 3 if name == "mask" else 1: "token"} for name in INPUTS}
    with reader.encoder.plain_attention() as model:
        own = model.config._attn_implementation
        model.set_attn_implementation("eager")
        torch.onnx.export(
            Logits(model),
            tuple(torch.from_numpy(part) for part in inputs),
            str(path),
            input_names=list(INPUTS),
            dynamic_axes=axes,
            dynamo=False,
        )
        model.set_attn_implementation(own)


def onnx_engine(
    path: Path, batches: list[Batch], first_position: int
) -> Callable[[], list[Tensor]]:
    """Return what runs all batches through ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    # A model without token types has lost that input.
    taken = {given.name for given in session.get_inputs()}
    fed = []
    for batch in batches:
        inputs, inside = padded(batch, first_position)
        named = zip(INPUTS, inputs, strict=True)
        fed.append(({name: part for name, part in named if name in taken}, inside))
    return lambda: [torch.from_numpy(session.run(None, named)[0][inside]) for named, inside in fed]


def main() -> None:
    """Compare the engines, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=Path("data/models/real-1"))
    parser.add_argument("--data", type=Path, default=Path("data/external"))
    parser.add_argument("--dev-file", default="squad-dev-v1.1.json")
    parser.add_argument("--n-questions", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()

    dev = list(read_examples(options.data / options.dev_file).examples)
    random.Random(13).shuffle(dev)
    few = dev[: options.n_questions]
    reader = Reader.load(options.model, threads=1)
    bert = reader.bert
    if bert is None:
        parser.error(f"{options.model}: engines are compared on BERT and RoBERTa only")
    windows = reader.windows([e.question for e in few], [e.context for e in few])
    batches = [make_batch(windows, chosen) for chosen in passes(windows.lengths, PASS_TOKENS)]
    torch.set_num_threads(1)
    work = Workspace()
    with torch.inference_mode():
        coarse = reader.quantised(bert)
        seen: list[Entered] = []
        bert.infer(make_batch(windows, np.arange(len(windows))), Workspace(), seen)
        ranges = [
            (float(low), float(high))
            for entered in seen
            for low, high in (torch.aminmax(part) for part in entered)
        ]
        engines: dict[str, Callable[[], list[Tensor]]] = {
            "float32": lambda: [bert.infer(batch, work).clone() for batch in batches],
            "int8": lambda: [coarse.infer(batch, work) for batch in batches],
            "openvino_float32": openvino_engine(bert, batches, None),
            "openvino_int8": openvino_engine(bert, batches, ranges),
        }
        with tempfile.TemporaryDirectory() as folder:
            exact, rounded = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
            export(reader, batches[0], exact)
            quantize_dynamic(exact, rounded, per_channel=True, weight_type=QuantType.QInt8)
            for name, path in (("float32", exact), ("int8", rounded)):
                engines[f"onnxruntime_{name}"] = onnx_engine(path, batches, bert.first_position)
        expected = torch.cat(engines["float32"]())
        results: dict[str, dict[str, float]] = {}
        for name, run in engines.items():
            difference = (torch.cat(run()) - expected).abs()
            results[name] = {"logit_difference": float(difference.mean())}
        times: dict[str, list[float]] = {name: [] for name in engines}
        for _ in range(options.rounds):
            for name, run in engines.items():
                begin = time.process_time()
                run()
                times[name].append(time.process_time() - begin)
    for name, result in results.items():
        result["cpu_ms_per_window"] = 1000 * min(times[name]) / len(windows)
        result["ratio"] = min(times["float32"]) / min(times[name])
        print(f"{name}: {result}", flush=True)
    print(json.dumps({**results, "mean_tokens": float(windows.lengths.mean())}))


if __name__ == "__main__":
    run_command(main)
