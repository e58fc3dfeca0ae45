"""The stage generate_pairs with each method; the language model is a server on loopback."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from augqa import prompts
from augqa.errors import CheckpointError, DataError, GenerationError
from augqa.question_generator.seq2seq import Seq2SeqGenerator
from augqa.records import GeneratedContext, QAExample, Rejection, context_id
from augqa.tables import read_table, write_table
from tests.chat_server import Model
from tests.examples import example
from tests.scripts import function
from tests.test_question_generator import checkpoint  # noqa: F401
from tests.test_stages import error, run_stage

pytest_plugins = ["tests.chat_server"]

GENERATE_PAIRS = function("generate_pairs")
SHELLEY = "Mary Shelley wrote Frankenstein in 1818. It was printed in London in 1818."


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Model) -> Path:
    """Return a folder with params.yaml, entered; its language model is `model`."""
    shutil.copyfile("params.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    set_params(tmp_path, "llm", provider="openai", base_url=model.url, model="tiny", max_retries=0)
    set_params(tmp_path, "generate_pairs", method="llm", pairs_per_context=2)
    return tmp_path


def set_params(project: Path, section: str, **changes: Any) -> None:
    path = project / "params.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    values[section] |= changes
    path.write_text(yaml.safe_dump(values), encoding="utf-8")


def set_own(project: Path, generator: str, **changes: Any) -> None:
    """Change the section of one question generator."""
    values = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    own = values["generate_pairs"][generator] | changes
    set_params(project, "generate_pairs", **{generator: own})


def context(id_: str, text: str = SHELLEY, failure: str | None = None) -> GeneratedContext:
    return GeneratedContext(
        id=id_,
        source_id=id_.split("/")[0],
        text="" if failure else text,
        failure=failure,
        model="tiny",
        finish_reason="stop",
        prompt_tokens=1,
        completion_tokens=1,
        prompt_sha256="0" * 64,
        style="encyclopedic",
    )


def generate(
    project: Path, contexts: list[GeneratedContext], seeds: list[QAExample] | None = None
) -> tuple[list[QAExample], dict[str, str], dict[str, Any]]:
    """Run the stage; return its pairs, reason by rejected id, and metrics."""
    write_table(project / "contexts.parquet", contexts, GeneratedContext)
    write_table(project / "seed_questions.parquet", seeds or [], QAExample)
    GENERATE_PAIRS(
        seed_questions=project / "seed_questions.parquet",
        contexts=project / "contexts.parquet",
        pairs=project / "pairs.parquet",
        rejected=project / "rejected.parquet",
        metrics=project / "m.json",
    )
    rejected = read_table(project / "rejected.parquet", Rejection)
    metrics = json.loads((project / "m.json").read_text())
    return (
        read_table(project / "pairs.parquet", QAExample),
        {row.id: row.reason for row in rejected},
        metrics,
    )


def lines(*pairs: tuple[str, str]) -> str:
    return "\n".join(f"Question: {question}\nAnswer: {answer}" for question, answer in pairs)


def test_each_pair_says_where_it_comes_from(project: Path, model: Model) -> None:
    model.answer = lambda _: lines(("Who wrote it?", "mary shelley"))
    pairs, rejected, metrics = generate(project, [context("s1/c1")])
    (pair,) = pairs
    assert pair.id == "s1/c1/p0"
    assert pair.context_id == context_id(SHELLEY)
    assert (pair.origin, pair.context_origin) == ("generated", "generated")
    assert (pair.method, pair.model) == ("llm", "tiny-2026")
    assert pair.prompt_sha256 == prompts.pairs_prompt_sha256()
    assert (pair.answers[0].text, pair.answers[0].start) == ("Mary Shelley", 0)
    assert rejected == {}
    assert metrics["n_by_model"] == {"tiny-2026": 1}
    assert (metrics["prompt_tokens"], metrics["completion_tokens"]) == (7, 5)


@pytest.mark.parametrize("method", ["llm", "hybrid"])
def test_the_estimate_comes_before_the_run_and_the_list_cost_after_it(
    project: Path, model: Model, method: str
) -> None:
    price = {"prompt": 1000.0, "completion": 10_000.0, "as_of": "2026-11-01"}
    set_params(project, "llm", prices={"tiny": price})
    set_params(project, "generate_pairs", method=method, pairs_per_context=1)
    set_own(project, method, max_tokens=50)
    estimate = project / ".cache/llm/estimate-generate_pairs.json"

    def answer(_: str) -> str:
        assert estimate.exists()
        return lines(("Who wrote it?", "Mary Shelley"))

    model.answer = answer
    _, _, metrics = generate(project, [context("s1/c1"), context("s2/c1")])
    announced = json.loads(estimate.read_text())
    assert (announced["n_requests"], announced["n_cached"]) == (2, 0)
    assert announced["completion_tokens"] == 100
    assert metrics["list_cost_usd"] == pytest.approx(2 * (7 * 1000 + 5 * 10_000) / 1e6)
    _, _, again = generate(project, [context("s1/c1"), context("s2/c1")])
    assert again == metrics  # paid for or not
    assert json.loads(estimate.read_text())["n_cached"] == 2


def test_a_run_that_fails_midway_leaves_the_former_tables(project: Path, model: Model) -> None:
    model.answer = lambda _: lines(("When?", "1818"))
    generate(project, [context("s1/c1")])
    names = ("pairs.parquet", "rejected.parquet", "m.json")
    former = [(project / name).read_bytes() for name in names]
    set_params(project, "llm", max_failed_fraction=0.0)

    def refuse(prompt: str) -> str:
        return "" if "It rains" in prompt else lines(("When?", "1818"))

    model.answer = refuse
    with pytest.raises(GenerationError, match="max_failed_fraction"):
        generate(project, [context("s1/c1"), context("s2/c1", "It rains.")])
    assert [(project / name).read_bytes() for name in names] == former
    assert not list(project.glob("*.partial"))


def test_the_occurrence_that_the_question_means_is_taken(project: Path, model: Model) -> None:
    model.answer = lambda _: lines(
        ("When was it printed in London?", "1818"), ("When was Frankenstein written?", "1818")
    )
    pairs, _, _ = generate(project, [context("s1/c1")])
    assert [pair.answers[0].start for pair in pairs] == [SHELLEY.rindex("1818"), 35]


def test_all_that_is_no_pair_is_counted_under_its_reason(project: Path, model: Model) -> None:
    model.answer = lambda prompt: (
        lines(
            ("Who wrote it?", "Percy"),
            ("When?", "1818"),
            ("Where?", "London"),
            ("What?", "Frankenstein"),
            ("Who read it?", ""),
        )
        if "Mary" in prompt
        else "I cannot."
    )
    contexts = [
        context("s1/c1"),
        context("s2/c1", failure="refusal"),
        context("s3/c1", "It rains."),
    ]
    pairs, rejected, metrics = generate(project, contexts)
    assert [pair.id for pair in pairs] == ["s1/c1/p1", "s1/c1/p2"]
    assert rejected == {
        "s2/c1": "refusal",
        "s1/c1/x0": "no_answer",
        "s1/c1/p0": "answer_not_a_span",
        "s1/c1/p3": "over_pairs_per_context",
        "s3/c1/x0": "no_pairs",
    }
    assert metrics["n_contexts"] == 2
    assert metrics["n_contexts_without_pairs"] == 1
    assert metrics["n_pairs"] == 2
    assert sum(metrics["n_rejected"].values()) == len(rejected)


def test_the_last_pair_of_a_text_cut_off_is_refused(project: Path, model: Model) -> None:
    model.answer = lambda _: lines(("When?", "1818"), ("Who wrote it?", "Mary"))
    model.finish_reason = "length"
    pairs, rejected, _ = generate(project, [context("s1/c1")])
    assert [pair.question for pair in pairs] == ["When?"]
    assert rejected == {"s1/c1/x0": "output_cut_off"}


def test_structured_output_asks_with_a_schema(project: Path, model: Model) -> None:
    set_own(project, "llm", structured=True)
    model.answer = lambda _: json.dumps({"pairs": [{"question": "When?", "answer": "1818"}]})
    pairs, _, _ = generate(project, [context("s1/c1")])
    assert pairs[0].prompt_sha256 == prompts.pairs_prompt_sha256(structured=True)
    assert model.asked[0]["response_format"]["json_schema"]["schema"] == prompts.PAIRS_SCHEMA


def test_a_long_context_is_shown_in_windows_and_answered_from_its_own(
    project: Path, model: Model
) -> None:
    set_own(project, "llm", max_context_words=7)
    model.answer = lambda _: lines(("When was that?", "1818"))
    pairs, _, _ = generate(project, [context("s1/c1")])
    assert len(model.asked) == 2
    assert [pair.answers[0].start for pair in pairs] == [35, SHELLEY.rindex("1818")]


@pytest.mark.parametrize(
    ("text", "answer", "expected"),
    [
        ("🎉👩\u200d🚀 Ada flew in\r\n1843.", "ada flew in 1843", "Ada flew in\r\n1843"),
        ("Cafe\u0301 Zoë opened\u200b in 1843.", "café zoë", "Cafe\u0301 Zoë"),
        ("הוא נולד בשנת 1879 באולם.", "בשנת 1879", "בשנת 1879"),
    ],
)
def test_odd_text_keeps_its_offsets_through_the_stage(
    project: Path, model: Model, text: str, answer: str, expected: str
) -> None:
    model.answer = lambda _: lines(("What?", answer))
    pairs, _, _ = generate(project, [context("s1/c1", text)])
    assert pairs[0].answers[0].text == expected  # the record itself holds it to its offset


def test_pairs_on_real_contexts_come_once_a_context(project: Path, model: Model) -> None:
    set_params(project, "generate_pairs", real_contexts=True)
    model.answer = lambda _: lines(("When?", "1818"))
    pairs, _, metrics = generate(
        project, [context("s1/c1")], [example("s1"), example("s2"), example("s3", context=SHELLEY)]
    )
    assert {pair.id: pair.context_origin for pair in pairs} == {
        "s1/c1/p0": "generated",
        "s1/r/p0": "real",
        "s3/r/p0": "real",
    }
    assert (metrics["n_contexts"], metrics["n_real_contexts"]) == (1, 2)


@pytest.mark.parametrize(
    ("asked_for", "answer"), [("Mary Shelley", "Max Oaks"), ("1818", "1906"), (None, "Max Oaks")]
)
def test_answers_are_chosen_as_the_seed_questions_did_if_params_say_so(
    project: Path, model: Model, asked_for: str | None, answer: str
) -> None:
    chooser = "rules" if asked_for is None else "learnt"
    set_params(project, "generate_pairs", method="hybrid", pairs_per_context=1, candidates=chooser)
    seeds = [
        example(f"s{n}", context=f"{SHELLEY} Page {n}.", answer=asked_for or "London")
        for n in range(60)
    ]
    model.answer = lambda _: "Who or when?"
    written = "Max Oaks wrote Lamps in 1906. It was printed in Leeds in 1906."
    pairs, _, _ = generate(project, [context("s1/c1", written)], seeds)
    assert [pair.answers[0].text for pair in pairs] == [answer]


def test_no_context_with_text_stops_without_a_request(project: Path, model: Model) -> None:
    with pytest.raises(DataError, match="none of its contexts has a text: 2 refusal"):
        generate(
            project, [context("s1/c1", failure="refusal"), context("s2/c1", failure="refusal")]
        )
    assert model.asked == []
    assert len(read_table(project / "rejected.parquet", Rejection)) == 2


def test_no_pair_at_all_stops_with_every_row_written(project: Path, model: Model) -> None:
    model.answer = lambda _: lines(("Who?", "Percy"), ("Why?", "no reason"))
    with pytest.raises(DataError, match="1 contexts gave no pair: 2 answer_not_a_span"):
        generate(project, [context("s1/c1")])
    assert len(read_table(project / "rejected.parquet", Rejection)) == 2
    assert json.loads((project / "m.json").read_text())["n_pairs"] == 0
    assert not (project / "pairs.parquet").exists()


def test_hybrid_asks_for_the_question_to_an_answer_of_the_rules(
    project: Path, model: Model
) -> None:
    set_params(project, "generate_pairs", method="hybrid")
    model.answer = lambda prompt: "Question: What about " + prompt.rsplit("Answer: ", 1)[1] + "?"
    pairs, rejected, _ = generate(project, [context("s1/c1"), context("s2/c1", "It rains.")])
    assert [(pair.question, pair.answers[0].start) for pair in pairs] == [
        ("What about Mary Shelley?", 0),
        ("What about 1818?", SHELLEY.rindex("1818")),
    ]
    assert {(pair.method, pair.model) for pair in pairs} == {("hybrid", "tiny-2026")}
    assert pairs[0].prompt_sha256 == prompts.question_prompt_sha256()
    assert rejected == {"s2/c1/x0": "no_answer_candidate"}
    assert [body["stop"] for body in model.asked] == [["\n"], ["\n"]]


def test_cloze_needs_no_model(project: Path, model: Model) -> None:
    set_params(project, "generate_pairs", method="cloze")
    pairs, rejected, _ = generate(project, [context("s1/c1"), context("s2/c1", "It rains.")])
    assert [(pair.question, pair.answers[0].text) for pair in pairs] == [
        ("Who wrote Frankenstein in 1818?", "Mary Shelley"),
    ]
    assert pairs[0].method == "cloze"
    assert (pairs[0].model, pairs[0].prompt_sha256) == (None, None)
    # What was printed in 1818, a question cannot show.
    assert rejected == {"s1/c1/x0": "no_cloze", "s2/c1/x0": "no_answer_candidate"}
    assert model.asked == []


def test_t5_takes_a_folder(
    project: Path,
    checkpoint: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = {"checkpoint": str(checkpoint), "form": "answer_aware", "num_beams": 1}
    limits = {"max_source_tokens": 64, "max_new_tokens": 40, "batch_size": 2, "threads": 1}
    set_params(project, "generate_pairs", method="t5", t5={**settings, **limits})
    monkeypatch.setattr(Seq2SeqGenerator, "_decode", answered)
    pairs, rejected, _ = generate(project, [context("s1/c1"), context("s2/c1", "It rains.")])
    assert [(pair.answers[0].text, pair.model) for pair in pairs] == [
        ("Mary Shelley", "tiny-t5"),
        ("1818", "tiny-t5"),
    ]
    assert rejected == {"s2/c1/x0": "no_answer_candidate"}


def answered(_: Seq2SeqGenerator, sources: Sequence[Any]) -> None:
    """Write a question to each text, since those of random weights have no end to rely on."""
    for source in sources:
        source.output, source.ended = "What is it?", True


def test_equal_inputs_give_equal_bytes(project: Path, model: Model) -> None:
    model.answer = lambda _: lines(("When?", "1818"), ("Who wrote it?", "Mary Shelley"))
    tables = []
    for _ in range(2):
        generate(project, [context(f"s{n}/c1") for n in range(4)])
        names = ("pairs.parquet", "rejected.parquet", "m.json")
        tables.append([(project / name).read_bytes() for name in names])
    assert tables[0] == tables[1]
    assert len(model.asked) == 4  # the second time from the cache


def test_a_missing_checkpoint_is_named_with_its_param(project: Path) -> None:
    values = yaml.safe_load((project / "params.yaml").read_text())
    t5 = {**values["generate_pairs"]["t5"], "checkpoint": "models/nowhere/at/all"}
    set_params(project, "generate_pairs", method="t5", t5=t5)
    with pytest.raises(CheckpointError, match=r"t5\.checkpoint 'models/nowhere/at/all': no"):
        generate(project, [context("s1/c1")])


def test_the_command_ends_with_one_message_and_exit_code_1(project: Path) -> None:
    write_table(project / "contexts.parquet", [context("s1/c1", failure="empty")], GeneratedContext)
    write_table(project / "seed_questions.parquet", [], QAExample)
    done = run_stage(
        project,
        "generate_pairs",
        *("--seed-questions", "seed_questions.parquet", "--contexts", "contexts.parquet"),
        *("--pairs", "p.parquet", "--rejected", "r.parquet", "--metrics", "m.json"),
    )
    assert "contexts.parquet: none of its contexts has a text: 1 empty" in error(done)
