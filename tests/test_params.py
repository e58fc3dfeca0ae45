"""params.yaml: strict, and every fault is named at once. The profiles obey the same schema."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa.errors import ParamsError
from augqa.params import load_kept_params, load_params
from augqa.params_text import with_value

PROFILES = sorted(Path("profiles").glob("*.yaml"))


@pytest.fixture
def values() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    return loaded


def written(values: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return path


def test_there_are_these_profiles_alone() -> None:
    assert {path.stem for path in PROFILES} == {
        "embedded",
        "confirm",
        "cpu",
        "levers",
        "levers_asked",
        "levers_trained",
        "paper",
        "ratios",
        "study",
        "tydi",
    }


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_a_profile_obeys_the_schema(path: Path) -> None:
    load_params(path)


def test_the_committed_params_are_the_embedded_profile() -> None:
    assert Path("params.yaml").read_bytes() == Path("profiles/embedded.yaml").read_bytes()


def test_an_unknown_key_is_named(values: dict[str, Any], tmp_path: Path) -> None:
    values["train"]["epoch"] = 3
    with pytest.raises(ParamsError, match=r"train\.epoch: is not a known key"):
        load_params(written(values, tmp_path))


def test_a_missing_key_is_named(values: dict[str, Any], tmp_path: Path) -> None:
    del values["blend"]["mix"]["n_examples"]
    with pytest.raises(ParamsError, match=r"blend\.mix\.n_examples: is missing"):
        load_params(written(values, tmp_path))


def test_a_wrong_type_is_named_with_its_value(values: dict[str, Any], tmp_path: Path) -> None:
    values["train"]["epochs"] = "three"
    with pytest.raises(ParamsError, match=r"train\.epochs: .*integer, found 'three'"):
        load_params(written(values, tmp_path))


def test_a_value_out_of_range_is_named(values: dict[str, Any], tmp_path: Path) -> None:
    values["blend"]["mix"]["generated_fraction"] = 1.5
    with pytest.raises(ParamsError, match=r"generated_fraction: .*less than or equal to 1.*1\.5"):
        load_params(written(values, tmp_path))


def test_an_unknown_executor_is_refused_with_those_there_are(
    values: dict[str, Any], tmp_path: Path
) -> None:
    values["executor"]["kind"] = "dask"
    with pytest.raises(ParamsError, match=r"executor\.kind: .*'local' or 'ray'.*'dask'"):
        load_params(written(values, tmp_path))


def test_a_recipe_of_an_unknown_kind_is_refused_with_the_kinds_there_are(
    values: dict[str, Any], tmp_path: Path
) -> None:
    values["blend"]["mine"] = {"kind": "mixed", "n_examples": 3}
    message = r"blend\.mine\.kind: must be one of 'real', 'generated', 'mix'.*, found 'mixed'"
    with pytest.raises(ParamsError, match=message):
        load_params(written(values, tmp_path))


def test_a_recipe_without_a_kind_is_told_so(values: dict[str, Any], tmp_path: Path) -> None:
    values["blend"]["mine"] = {"n_examples": 3}
    with pytest.raises(ParamsError, match=r"blend\.mine\.kind: is missing"):
        load_params(written(values, tmp_path))


def test_two_ratios_are_two_entries(values: dict[str, Any], tmp_path: Path) -> None:
    for percent in (25, 75):
        entry = {"kind": "mix", "n_examples": 40, "generated_fraction": percent / 100}
        values["blend"][f"mix_{percent}"] = entry
        values["regimes"].append(f"mix_{percent}")
    assert load_params(written(values, tmp_path)).regimes[-2:] == ["mix_25", "mix_75"]


def test_a_recipe_s_name_can_be_a_file_s(values: dict[str, Any], tmp_path: Path) -> None:
    values["blend"]["../mix"] = values["blend"]["mix"]
    with pytest.raises(ParamsError, match="should match pattern"):
        load_params(written(values, tmp_path))


def test_nan_is_no_number(values: dict[str, Any], tmp_path: Path) -> None:
    values["filter_pairs"]["min_round_trip_f1"] = float("nan")
    with pytest.raises(ParamsError, match=r"min_round_trip_f1: .*finite"):
        load_params(written(values, tmp_path))


@pytest.mark.parametrize(
    ("section", "runs"),
    [
        ("train", {}),
        ("train_context_writer", {"context_writers": ["causal"]}),
        ("train_question_generator", {"question_generators": ["causal"]}),
    ],
)
def test_a_training_in_bfloat16_is_of_one_kind_of_processor(
    section: str, runs: dict[str, Any], values: dict[str, Any], tmp_path: Path
) -> None:
    values |= runs
    values[section]["precision"] = "bfloat16"
    values["reproducible"] = "x86_64"
    with pytest.raises(ParamsError, match=rf"{section}\.precision: bfloat16 .* to machine"):
        load_params(written(values, tmp_path))
    values["reproducible"] = "machine"
    load_params(written(values, tmp_path))


def test_all_faults_stand_in_one_message(values: dict[str, Any], tmp_path: Path) -> None:
    values["train"]["epochs"] = 0
    values["training_seeds"] = []
    values["nonsense"] = 1
    with pytest.raises(ParamsError) as caught:
        load_params(written(values, tmp_path))
    assert "3 fault(s)" in str(caught.value)


@pytest.mark.parametrize(
    ("regimes", "message"),
    [
        (["real"], "'real' always runs"),
        (["mixed"], "'mixed' is no recipe of `blend`: .*generated"),
        (["mix", "mix"], "stands twice"),
        (["question_only"], "set generate_pairs.real_contexts to true"),
    ],
)
def test_regimes_that_cannot_run_are_refused(
    regimes: list[str], message: str, values: dict[str, Any], tmp_path: Path
) -> None:
    values["regimes"] = regimes
    with pytest.raises(ParamsError, match=message):
        load_params(written(values, tmp_path))


@pytest.mark.parametrize(
    ("kinds", "method", "message"),
    [
        (["causal", "causal"], "llm", "stands twice"),
        (["rnn"], "llm", r"question_generators\.0: .*'causal' or 'seq2seq'"),
        ([], "trained", "method trained needs a question generator"),
    ],
)
def test_question_generators_that_cannot_be_trained_are_refused(
    kinds: list[str], method: str, message: str, values: dict[str, Any], tmp_path: Path
) -> None:
    values["question_generators"] = kinds
    values["generate_pairs"]["method"] = method
    with pytest.raises(ParamsError, match=message):
        load_params(written(values, tmp_path))


def test_a_named_folder_is_a_question_generator_too(values: dict[str, Any], tmp_path: Path) -> None:
    values["generate_pairs"] |= {"method": "trained"}
    values["generate_pairs"]["trained"]["checkpoint"] = "elsewhere"
    load_params(written(values, tmp_path))


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="make profile NAME=embedded"):
        load_params(tmp_path / "params.yaml")


def test_a_file_that_is_not_yaml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("a: [1,\n")
    with pytest.raises(ParamsError, match=r"params\.yaml: line 2: not YAML"):
        load_params(path)


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_another_value_changes_nothing_else_in_the_file(path: Path) -> None:
    before = path.read_text(encoding="utf-8").splitlines()
    after = with_value("\n".join(before), "prepare.n_seed_questions", 1234567).splitlines()
    (changed,) = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    number = changed[0].split()[1]
    assert changed[1] == changed[0].replace(number, "1234567")
    assert "  #" in changed[1]


@pytest.mark.parametrize("key", ["prepare.n_seed", "prepare", "training_seeds.n"])
def test_a_key_without_a_plain_value_is_not_changed(key: str) -> None:
    with pytest.raises(ParamsError, match=f"{key}: no such key"):
        with_value("prepare: {n_seed_questions: 3}\ntraining_seeds: [1]", key, 5)


@pytest.mark.parametrize("name", ["My set", "a-b", "../x", "", "Ä", "train", "real", "manifest"])
def test_a_test_set_s_name_must_do_for_files(
    name: str, values: dict[str, Any], tmp_path: Path
) -> None:
    values["data"]["test_sets"][name] = values["data"]["test_sets"]["squad"]
    with pytest.raises(ParamsError, match=r"data\.test_sets: .*(use a to z|is taken)"):
        load_params(written(values, tmp_path))


def test_one_more_entry_is_one_more_test_set(values: dict[str, Any], tmp_path: Path) -> None:
    source = {"kind": "file", "name": "mine.csv", "sha256": None}
    values["data"]["test_sets"]["mine"] = {"title": "Mine", "role": "shift", "source": source}
    assert list(load_params(written(values, tmp_path)).data.test_sets)[-1] == "mine"


def test_a_home_set_is_not_needed_but_some_test_set_is(
    values: dict[str, Any], tmp_path: Path
) -> None:
    del values["data"]["test_sets"]["squad"]
    load_params(written(values, tmp_path))
    values["data"]["test_sets"] = {}
    with pytest.raises(ParamsError, match=r"data\.test_sets: .*at least 1"):
        load_params(written(values, tmp_path))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"kind": "file", "name": "../x.json", "sha256": None}, "must name a file below"),
        ({"kind": "file", "name": "x.json"}, r"source\.sha256: is missing"),
        ({"kind": "disk", "name": "x"}, "'sample', 'file', 'hub'"),
        ({"kind": "hub", "path": "a/b", "config": None, "split": "test"}, "revision: is missing"),
    ],
)
def test_a_source_that_cannot_be_is_named(
    source: dict[str, Any], message: str, values: dict[str, Any], tmp_path: Path
) -> None:
    values["data"]["test_sets"]["squad"]["source"] = source
    with pytest.raises(ParamsError, match=message):
        load_params(written(values, tmp_path))


def test_params_of_a_study_from_before_a_key_mean_what_was_so_then(
    values: dict[str, Any], tmp_path: Path
) -> None:
    whole = load_params(written(values, tmp_path))
    del values["executor"], values["generate_pairs"]["candidates"]
    path = written(values, tmp_path)
    with pytest.raises(ParamsError, match="executor"):
        load_params(path)
    kept = load_kept_params(path)
    assert kept.executor == whole.executor
    assert kept.generate_pairs == whole.generate_pairs


def test_what_kept_params_say_stays_and_other_keys_must_be_there(
    values: dict[str, Any], tmp_path: Path
) -> None:
    values["generate_pairs"]["candidates"] = "learnt"
    assert load_kept_params(written(values, tmp_path)).generate_pairs.candidates == "learnt"
    values["generate_pairs"]["candidates"] = "guessed"
    with pytest.raises(ParamsError, match=r"has 1 fault\(s\):\n  generate_pairs.candidates: "):
        load_kept_params(written(values, tmp_path))


def test_a_study_that_an_older_version_kept_is_told_in_two_lines_with_keys_and_what_to_do(
    values: dict[str, Any], tmp_path: Path
) -> None:
    values["seeds"] = values.pop("training_seeds")
    values["train"] = {}
    path = written(values, tmp_path)
    with pytest.raises(ParamsError) as raised:
        load_kept_params(path)
    first, second = str(raised.value).splitlines()
    assert first.startswith(f"{path}: an older version of augqa kept this study: this one does not")
    assert "does not know seeds and misses training_seeds, train.epochs, train." in first
    assert first.endswith(" and 6 more.")
    assert second.startswith("Run the study again")
    assert f"`git log -1 {path}`" in second


@pytest.mark.parametrize("path", sorted(Path("docs/results").glob("study*/params.yaml")))
def test_the_params_of_a_study_kept_in_parts_can_be_read(path: Path) -> None:
    assert load_kept_params(path).study.primary
