"""Hold the libraries to the arithmetic that every x86-64 processor with AVX2 has.

They choose code by what the processor offers, and other code rounds otherwise. `reproducible:
x86_64` in params.yaml sets the switches that each has for it. They read them when they are loaded
or first used, and some children inherit them: so this runs before anything else of augqa is
imported, in every process that does.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from augqa.yaml_text import YamlFault, parse_yaml, read_text

SWITCHES: Mapping[str, str] = {
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's own kernels
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # oneDNN, torch's and OpenVINO's
    "OV_CPU_MAX_ISA": "AVX2",  # OpenVINO's choice of precision and kernels
    # torch's matrix products. Its AVX2 code differs between vendors; this is the one that does not.
    # It is slow: those of the reader are NumPy's then (augqa.reader.products).
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Haswell",  # the products of NumPy and SciPy
    "OPENBLAS_NUM_THREADS": "1",  # else as many as there are cores, which share out sums
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # NumPy's own, beyond AVX2
    "ARROW_USER_SIMD_LEVEL": "AVX2",
}
# Loaded before the switches were set, these would not heed them.
_HEEDLESS = ("numpy", "torch", "openvino", "openvino_genai", "pyarrow")
_late: list[str] = []


def pin(params: Path = Path("params.yaml")) -> None:
    """Set the switches if `params` asks for them; a file that is not there asks for nothing.

    A wrong value is left to `augqa.params`, which names every fault of the file at once.
    """
    if not asks(params) or is_pinned():
        return
    os.environ.update(SWITCHES)
    _late.extend(name for name in _HEEDLESS if name in sys.modules)


def asks(params: Path) -> bool:
    """Return whether the file asks for the same bytes on other processors."""
    try:
        content = parse_yaml(read_text(params))
    except (OSError, YamlFault):
        return False
    return isinstance(content, dict) and content.get("reproducible") == "x86_64"


def is_pinned() -> bool:
    """Return whether the switches are set."""
    return all(os.environ.get(name) == value for name, value in SWITCHES.items())


@contextmanager
def without(name: str) -> Iterator[None]:
    """Take one of the switches out of the environment for a with-block."""
    value = os.environ.pop(name, None)
    try:
        yield
    finally:
        if value is not None:
            os.environ[name] = value


def late() -> tuple[str, ...]:
    """Return the libraries that were loaded before this process set the switches."""
    return tuple(_late)
