"""Products by NumPy are those of torch, and no product of the layers written out goes past them."""

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from augqa import processor
from augqa.reader import products
from tests.apart import child

ROOT = Path(__file__).parents[1]
WRITTEN_OUT = ("attention", "bert", "int8")
PAST = {"addmm", "addmm_", "addbmm", "baddbmm", "bmm", "dot", "einsum", "matmul", "mm", "mv"}


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def heads(parts: int) -> list[Tensor]:
    """Views of shape (3, 7, 4), as attention takes them out of one matrix."""
    whole = drawn(7, parts, 3, 4)
    return [whole[:, part].transpose(0, 1) for part in range(parts)]


CASES: dict[str, Callable[[], Tensor]] = {
    "linear": lambda: products.linear(drawn(7, 4), drawn(5, 4), drawn(5)),
    "linear into": lambda: products.linear(drawn(7, 4), drawn(5, 4), drawn(5), torch.empty(7, 5)),
    "product": lambda: products.product(drawn(7, 4), drawn(4, 5)),
    "product with a factor": lambda: products.product(
        drawn(7, 4), drawn(4, 5), torch.full((7, 5), torch.nan), alpha=1.25
    ),
    "product of a transposed one": lambda: products.product(drawn(4, 7).t(), drawn(4, 5)),
    "sum": lambda: products.add_product(drawn(7, 5), drawn(7, 4), drawn(4, 5)),
    "sum with a factor": lambda: products.add_product(
        drawn(7, 5), drawn(4, 7).t(), drawn(4, 5), alpha=1.25
    ),
    "logits of heads": lambda: products.batched_product(
        heads(3)[0], heads(3)[1].transpose(1, 2), torch.empty(3, 7, 7)
    ),
    "means of heads": lambda: products.batched_product(drawn(3, 7, 7), heads(3)[2], heads(1)[0]),
    "means of one window of several": lambda: products.batched_product(
        drawn(3, 5, 5), heads(3)[2][:, 1:6], heads(1)[0][:, 1:6]
    ),
    "gradient of heads": lambda: products.batched_product(
        drawn(3, 7, 7).transpose(1, 2), heads(3)[2], heads(3)[1]
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_products_by_numpy_are_those_of_torch(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for by_numpy in (False, True):
        monkeypatch.setattr(products, "_BY_NUMPY", by_numpy)
        found[by_numpy] = CASES[case]().clone()
    assert found[True].abs().max() > 0.1
    assert torch.allclose(found[True], found[False], atol=1e-5)


def narrow(x: Tensor) -> Tensor:
    return x.bfloat16()


# Factors and bias in bfloat16, the result in float32.
NARROW: dict[str, tuple[Callable[[], Tensor], Callable[[], Tensor]]] = {
    "linear": (
        lambda: products.linear(narrow(drawn(7, 4)), narrow(drawn(5, 4)), drawn(5)),
        lambda: narrow(rounded(7, 4) @ rounded(5, 4).t()).float() + drawn(5),
    ),
    "product with a factor": (
        lambda: products.product(narrow(drawn(7, 4)), narrow(drawn(4, 5)), alpha=1.25),
        lambda: narrow(rounded(7, 4) @ rounded(4, 5)).float() * 1.25,
    ),
    "sum with a factor": (
        lambda: products.add_product(
            drawn(7, 5), narrow(drawn(4, 7)).t(), narrow(drawn(4, 5)), alpha=1.25
        ),
        lambda: drawn(7, 5) + narrow(rounded(4, 7).t() @ rounded(4, 5)).float() * 1.25,
    ),
    "products of heads": (
        lambda: products.batched_product(
            narrow(drawn(3, 7, 4)), narrow(drawn(3, 4, 5)), torch.empty(3, 7, 5)
        ),
        lambda: narrow(rounded(3, 7, 4) @ rounded(3, 4, 5)).float(),
    ),
}


def rounded(*shape: int) -> Tensor:
    return narrow(drawn(*shape)).float()


@pytest.mark.parametrize("case", NARROW)
def test_narrow_products_round_their_factors_and_once_their_sums(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "_HAS_BFLOAT16", False)
    found, expected = (each() for each in NARROW[case])
    assert found.dtype == torch.float32
    # Not to the last bit, which goes by the order of addition.
    assert torch.allclose(found, expected, rtol=2**-7, atol=1e-3)
    assert (found == expected).float().mean() > 0.8


def test_instructions_for_bfloat16_give_what_rounding_in_float32_does(tmp_path: Path) -> None:
    # In a process of its own: this one may be held to AVX2.
    code = (
        "import torch, augqa.reader.products as p\n"
        "from tests.test_reader_products import NARROW\n"
        "print(p._HAS_BFLOAT16)\n"
        "near = lambda a, b: torch.allclose(a, b, rtol=2**-7, atol=1e-3)\n"
        "print(all(near(f(), e()) for f, e in NARROW.values()))"
    )
    (tmp_path / "params.yaml").write_text("reproducible: machine\n")
    has_instructions, right = child(code, tmp_path).stdout.split()
    if has_instructions == "False":
        pytest.skip("this processor has no instructions for bfloat16")
    assert right == "True"


@pytest.mark.parametrize("has_instructions", [True, False])
def test_narrow_products_go_into_narrow_memory_that_is_there(
    has_instructions: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "_HAS_BFLOAT16", has_instructions)
    x, weight = narrow(drawn(7, 4)), narrow(drawn(5, 4))
    for call in (
        lambda out: products.linear(x, weight, torch.zeros(5), out),
        lambda out: products.product(x, weight.t(), out),
    ):
        out = torch.empty(7, 5, dtype=torch.bfloat16)
        assert call(out) is out
        assert torch.allclose(out.float(), x.float() @ weight.float().t(), rtol=2**-7, atol=1e-3)


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_no_product_of_the_layers_goes_past_them(name: str) -> None:
    tree = ast.parse((ROOT / f"src/augqa/reader/{name}.py").read_text(encoding="utf-8"))
    called = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not called & PAST
    assert not any(isinstance(node, ast.MatMult) for node in ast.walk(tree))


@pytest.mark.parametrize(("reproducible", "by_numpy"), [("machine", False), ("x86_64", True)])
def test_params_say_whose_products_they_are(
    reproducible: str, by_numpy: bool, tmp_path: Path
) -> None:
    (tmp_path / "params.yaml").write_text(f"reproducible: {reproducible}\n")
    finished = child("import augqa.reader.products as p; print(p._BY_NUMPY)", tmp_path)
    assert finished.stdout.strip() == str(by_numpy)


def test_a_pinned_numpy_multiplies_on_one_thread_with_one_kernel() -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("switches of x86-64")
    code = (
        "import numpy, threadpoolctl\n"
        "print({(i['num_threads'], i['architecture']) for i in threadpoolctl.threadpool_info()"
        " if i['internal_api'] == 'openblas' and 'numpy' in i['filepath']})"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **processor.SWITCHES},
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.strip() == "{(1, 'Haswell')}"
