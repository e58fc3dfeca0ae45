"""Texts of others in Markdown and YAML are text, also on the card of a trained reader."""

import re
from dataclasses import replace

import pytest
import yaml

from augqa.markdown import code, front_matter, plain, table
from augqa.reader import TrainingReport
from augqa.reader.card import model_card
from tests.browser import HOSTILE
from tests.examples import example

BREAKS_OUT = "m | x |\n---\nlicense: mit\n# Head\n```\n[a](b) ![c](d) **e** <f> \u202e \x1b[2J"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SmolLM2-135M-Instruct", "SmolLM2-135M-Instruct"),
        ("a|b", r"a\|b"),
        ("<img src=x>", "&lt;img src=x&gt;"),
        ("&lt;", "&amp;lt;"),
        ("[a](b)", r"\[a\](b)"),
        ("*a* _b_ `c` #d ~e~", r"\*a\* \_b\_ \`c\` \#d \~e\~"),
        (" a\n\n---\nb ", "a --- b"),
        ("a\x00\x1b\u202e\ud800b", "a b"),
    ],
)
def test_a_text_is_one_line_without_markup(text: str, expected: str) -> None:
    assert plain(text) == expected


def test_a_long_text_is_cut_and_says_so() -> None:
    assert plain("x" * 5_000_000) == "x" * 300 + "…"
    assert plain(" " * 5_000_000 + "x") == "…"


def test_code_does_not_end_before_its_end() -> None:
    assert code("a`b\n```c") == "`a'b '''c`"


def test_a_table_has_as_many_rows_and_cells_as_it_was_given() -> None:
    lines = table(("a", "b"), [(BREAKS_OUT, 1)]).splitlines()
    assert len(lines) == 3
    assert lines[2].replace(r"\|", "").count("|") == 3


def test_a_value_of_the_head_stays_a_value() -> None:
    text = front_matter({"base_model": BREAKS_OUT})
    assert yaml.safe_load(text.split("---\n", 1)[1].rsplit("---\n", 1)[0]) == {
        "base_model": BREAKS_OUT
    }
    assert text.isascii()


@pytest.mark.parametrize("hostile", [BREAKS_OUT, HOSTILE])
def test_no_name_gets_out_of_its_place_on_a_reader_s_card(hostile: str) -> None:
    made = replace(
        example(origin="generated", context_origin="generated"), method="llm", model=hostile
    )
    report = TrainingReport(
        n_examples=1,
        n_windows=1,
        cut_off=(),
        held_out=(),
        n_steps=1,
        loss_per_epoch=(1.0,),
        held_out_f1=(),
        best_epoch=1,
    )
    card = model_card(
        [made],
        regime="mix",
        seed=1,
        blend_md5="0" * 32,
        run_key="1" * 64,
        report=report,
        settings={"checkpoint": hostile},
    )
    _, head, body = card.split("---\n", 2)
    assert set(yaml.safe_load(head)) == {"library_name", "pipeline_tag", "base_model", "tags"}
    # What stands between backticks is shown as it is.
    text = re.sub("`[^`\n]*`", "", body.partition("```json")[0])
    for mark in ("<script", "<img", "<f>", "\n# Head", "\nlicense:", "![c](d)", "\x1b", "\u202e"):
        assert mark not in text
    assert sum(line.startswith("| generated") for line in body.splitlines()) == 1
