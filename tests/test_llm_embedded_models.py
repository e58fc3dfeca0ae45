"""Models the embedded engine can write with, and what is refused before it starts."""

import shutil
from pathlib import Path

import pytest

from augqa import llm
from augqa.errors import AugQAError
from augqa.llm.embedded_models import find_embedded
from augqa.llm.gguf_header import read_gguf_header
from augqa.packaged_models import packaged_path
from augqa.params import load_params
from tests.gguf_files import save_gguf

PACKAGED = "SmolLM2-135M-Instruct"


def refusal(model: Path | str) -> str:
    """Return the message for a model: one line that begins with the param."""
    with pytest.raises(AugQAError) as caught:
        find_embedded(str(model))
    message = str(caught.value)
    assert message.startswith("llm.model")
    assert "\n" not in message
    return message


def test_the_header_of_a_real_file_is_read() -> None:
    path = packaged_path(PACKAGED, param="p")
    header = read_gguf_header(path)
    assert header.architecture == "llama"
    assert header.n_parts == 1
    assert header.matrix_types == ("Q4_1", "Q8_0")
    assert header.vector_types == ("F32",)
    assert header.n_bytes == path.stat().st_size


@pytest.mark.parametrize("matrices", ["F16", "Q4_0", "Q8_0", "Q4_K", "Q6_K"])
def test_types_that_the_engine_reads_are_taken(tmp_path: Path, matrices: str) -> None:
    found = find_embedded(str(save_gguf(tmp_path / "tiny.gguf", matrices=matrices)))
    assert found.path == tmp_path / "tiny.gguf"
    assert found.name == "tiny"


@pytest.mark.parametrize("matrices", ["F32", "BF16", "Q5_0", "Q5_K"])
def test_types_that_the_engine_does_not_read_are_named(tmp_path: Path, matrices: str) -> None:
    message = refusal(save_gguf(tmp_path / "tiny.gguf", matrices=matrices))
    assert f"has weights in {matrices}, which" in message
    assert "It reads F16, Q4_0, Q4_1, Q8_0, Q4_K, Q6_K (vectors also in F32)" in message


def test_another_architecture_is_named(tmp_path: Path) -> None:
    message = refusal(save_gguf(tmp_path / "tiny.gguf", architecture="gemma3"))
    assert "a gemma3 model; of GGUF files the embedded engine reads llama, qwen2, qwen3" in message


def test_a_part_of_a_split_file_is_refused(tmp_path: Path) -> None:
    assert "one of 3 parts of a split file" in refusal(save_gguf(tmp_path / "a.gguf", n_parts=3))


def test_a_file_whose_weights_are_cut_off_is_refused(tmp_path: Path) -> None:
    assert "cut off: " in refusal(save_gguf(tmp_path / "a.gguf", n_bytes=9000))


@pytest.mark.parametrize("n_bytes", [0, 3, 12, 40, 130, 250])
def test_a_file_whose_header_is_cut_off_is_refused(tmp_path: Path, n_bytes: int) -> None:
    path = save_gguf(tmp_path / "a.gguf")
    path.write_bytes(path.read_bytes()[:n_bytes])
    assert "not a usable GGUF file" in refusal(path)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_text("hello, this is no model")
    (tmp_path / "a.bin").write_text("nor is this")
    assert "does not begin as a GGUF file does" in refusal(tmp_path / "a.gguf")
    assert "not a GGUF file" in refusal(tmp_path / "a.bin")


def test_a_folder_without_openvino_files_names_them(tmp_path: Path) -> None:
    (tmp_path / "openvino_model.xml").touch()
    message = refusal(tmp_path)
    assert "lacks openvino_model.bin, openvino_tokenizer.xml, openvino_detokenizer.xml" in message


def test_a_folder_of_openvino_is_taken(tmp_path: Path) -> None:
    folder = tmp_path / "qwen-ov"
    folder.mkdir()
    for name in ("model.xml", "model.bin", "tokenizer.xml", "detokenizer.xml"):
        (folder / f"openvino_{name}").touch()
    assert find_embedded(str(folder)).name == "qwen-ov"


def test_a_missing_file_and_an_unknown_name_are_refused() -> None:
    assert "no such folder or file here" in refusal("./gone.gguf")
    assert "expected SmolLM2-135M-Instruct, a GGUF file or a folder" in refusal("no-such-model")
    assert "not an embedded model" in refusal("all-MiniLM-L6-v2")  # packaged, but no writer


def test_another_content_under_the_same_name_is_another_endpoint(tmp_path: Path) -> None:
    path = save_gguf(tmp_path / "a.gguf")
    first = find_embedded(str(path)).endpoint
    path.write_bytes(path.read_bytes() + b"\0")
    assert len({first, find_embedded(str(path)).endpoint, find_embedded(PACKAGED).endpoint}) == 3


def test_a_file_of_the_users_writes_as_the_packaged_one_and_names_no_path(tmp_path: Path) -> None:
    copy = shutil.copy(packaged_path(PACKAGED, param="p"), tmp_path / "own.gguf")
    params = load_params(Path("profiles/embedded.yaml")).llm
    request = llm.ChatRequest(
        id="1",
        messages=({"role": "user", "content": "Write about bread."},),
        max_tokens=6,
        seed=1,
        json_schema=None,
    )
    results = []
    for number, model in enumerate((PACKAGED, str(copy))):
        with llm.open_client(
            params.model_copy(update={"model": model}), cache_path=tmp_path / f"{number}.sqlite"
        ) as client:
            results += client.complete([request])
    assert [result.failure for result in results] == [None, None]
    assert results[0].text == results[1].text
    assert [result.model for result in results] == [PACKAGED, "own"]


def test_the_engine_is_asked_for_f32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from augqa.llm import embedded_server  # noqa: PLC0415 - imports the engine

    asked: list[dict[str, object]] = []

    class Pipeline:
        def __init__(self, path: str, scheduler: object, device: str, properties: dict) -> None:  # type: ignore[type-arg] # noqa: ARG002
            asked.append(properties)

        def get_tokenizer(self) -> None:
            return None

    monkeypatch.setattr(embedded_server.openvino_genai, "ContinuousBatchingPipeline", Pipeline)
    embedded_server.Engine(str(tmp_path), "any", 1)
    assert asked[0]["INFERENCE_PRECISION_HINT"] == "f32"
