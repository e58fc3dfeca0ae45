"""Small GGUF files, written by hand: a header that tells of tensors, and room for them."""

import math
import struct
from pathlib import Path

TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q5_0": 6, "Q8_0": 8, "Q4_K": 12, "Q5_K": 13, "Q6_K": 14}
TYPES |= {"BF16": 30}


def text(value: str) -> bytes:
    content = value.encode()
    return struct.pack("<Q", len(content)) + content


def save_gguf(
    path: Path,
    *,
    architecture: str = "llama",
    matrices: str = "Q8_0",
    vectors: str = "F32",
    n_parts: int = 1,
    n_bytes: int = 256 * 256 * 4 + 256 * 4,
) -> Path:
    """Write a file with one matrix of 256 by 256 and one vector of 256, and weights of zeros."""
    values = [
        text("general.architecture") + struct.pack("<I", 8) + text(architecture),
        text("split.count") + struct.pack("<IH", 2, n_parts),
        text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("<s>") + text("ä"),
        text("tokenizer.ggml.scores") + struct.pack("<IIQ", 9, 6, 2) + struct.pack("<2f", 0, 1),
        text("llama.rope.scale") + struct.pack("<Id", 12, 1.5),
    ]
    tensors = [
        tensor("blk.0.attn_q.weight", (256, 256), matrices, 0),
        tensor("blk.0.attn_norm.weight", (256,), vectors, 0),
    ]
    header = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values))
    path.write_bytes(header + b"".join(values + tensors) + bytes(32 + n_bytes))
    return path


def tensor(name: str, shape: tuple[int, ...], kind: str, offset: int) -> bytes:
    assert math.prod(shape)
    described = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return text(name) + described + struct.pack("<IQ", TYPES[kind], offset)
