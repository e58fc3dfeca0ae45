"""What a GGUF file says of itself in its header, read without its weights.

Source: the GGUF specification, github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

# Names of tensor types by their numbers; others are shown by number.
TENSOR_TYPES = {
    **{0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1"},
    **{10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS"},
    **{17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S"},
    **{23: "IQ4_XS", 28: "F64", 29: "IQ1_M", 30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4"},
    **{40: "NVFP4", 41: "Q1_0"},
}
# Values of a block, and its bytes.
_BLOCKS = {
    **{"F32": (1, 4), "F16": (1, 2), "Q4_0": (32, 18), "Q4_1": (32, 20), "Q8_0": (32, 34)},
    **{"Q4_K": (256, 144), "Q6_K": (256, 210)},
}
_MAGIC = b"GGUF"
_ALIGNMENT = 32  # of the weights behind the header, unless it names another
_STRING, _ARRAY = 8, 9
# Of a value: its code for struct. 4 and 10 are unsigned, as used for counts.
_NUMBERS = {
    **{0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i"},
    **{6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"},
}
_LONGEST = 1 << 30  # bytes of a string: a longer one is a sign of damage


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufHeader:
    """The part of a header that tells who can read the file.

    Attributes:
        architecture: Of the model, such as llama.
        n_parts: Files that the model is split into.
        matrix_types: Types of the tensors of two or more dimensions, by name, sorted.
        vector_types: Types of the others.
        n_bytes: What the whole file has at least; a shorter one is cut off. Tensors of types that
            are not in `_BLOCKS` are not counted.
    """

    architecture: str
    n_parts: int
    matrix_types: tuple[str, ...]
    vector_types: tuple[str, ...]
    n_bytes: int


def read_gguf_header(path: Path) -> GgufHeader:
    """Read the header of a GGUF file.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no GGUF file, of a version before 2, or cut off in its header.
    """
    try:
        with path.open("rb") as file:
            return _header(file)
    except (struct.error, KeyError, UnicodeDecodeError) as error:
        raise ValueError(f"its header is damaged or cut off ({error})") from error


def _header(file: BinaryIO) -> GgufHeader:
    if file.read(4) != _MAGIC:
        raise ValueError("it does not begin as a GGUF file does")
    version, n_tensors, n_values = _read(file, "IQQ")
    if version not in (2, 3):
        raise ValueError(f"it is of GGUF version {version}, expected 2 or 3")
    values = dict(_values(file, n_values))
    matrices, vectors, last = set[str](), set[str](), 0
    for _ in range(n_tensors):
        _text(file)
        (n_dimensions,) = _read(file, "I")
        *dimensions, kind, offset = _read(file, f"{n_dimensions}QIQ")
        name = TENSOR_TYPES.get(kind, f"type {kind}")
        (matrices if n_dimensions > 1 else vectors).add(name)
        values_of_block, bytes_of_block = _BLOCKS.get(name, (1, 0))
        last = max(last, offset + math.prod(dimensions) // values_of_block * bytes_of_block)
    alignment = int(str(values.get("general.alignment", _ALIGNMENT)))
    begin = -(-file.tell() // alignment) * alignment
    return GgufHeader(
        architecture=str(values.get("general.architecture", "")),
        n_parts=int(str(values.get("split.count", 1))),
        matrix_types=tuple(sorted(matrices)),
        vector_types=tuple(sorted(vectors)),
        n_bytes=begin + last,
    )


def _values(file: BinaryIO, n_values: int) -> Iterator[tuple[str, object]]:
    """Yield the values that are one number or text; pass over arrays."""
    for _ in range(n_values):
        key = _text(file)
        (kind,) = _read(file, "I")
        if kind == _ARRAY:
            item, length = _read(file, "IQ")
            if item == _STRING:
                for _ in range(length):
                    _text(file)
            else:
                file.seek(struct.calcsize("<" + _NUMBERS[item]) * length, 1)
        elif kind == _STRING:
            yield key, _text(file)
        else:
            yield key, _read(file, _NUMBERS[kind])[0]


def _text(file: BinaryIO) -> str:
    (length,) = _read(file, "Q")
    if length > _LONGEST:
        raise ValueError("its header is damaged or cut off")
    content = file.read(length)
    if len(content) < length:
        raise ValueError("its header is cut off")
    return content.decode("utf-8", "replace")


def _read(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack("<" + form, file.read(struct.calcsize("<" + form)))
