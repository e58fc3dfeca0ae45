"""Prompt templates, ours and the user's own."""

from pathlib import Path

import pytest

from augqa import prompts
from augqa.errors import ParamsError
from augqa.prompts.templates import Template, own_template, packaged

CONDITIONS = tuple(prompts.CONDITION_PLACES)


def own(folder: Path, text: str | None, path: str = "prompts/tickets.md") -> Template:
    """Read a template of the user's own that needs a question and may have a limit."""
    (folder / "prompts").mkdir()
    if text is not None:
        (folder / "prompts" / "tickets.md").write_text(text, encoding="utf-8")
    return own_template(
        path,
        folder=folder / "prompts",
        param="generate_contexts.prompt",
        needed=("question",),
        known=("question", "max_words"),
    )


def test_a_template_of_the_user_s_own_is_rendered_like_ours(tmp_path: Path) -> None:
    template = own(tmp_path, "[[system]]\nA {ticket}.\n[[user]]\nOn: {{question}}\n")
    assert template.render({"question": "{{max_words}} {0}?", "max_words": "9"}) == (
        {"role": "system", "content": "A {ticket}."},
        {"role": "user", "content": "On: {{max_words}} {0}?"},
    )
    assert len(template.sha256) == 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[user]]\nWrite.\n", r"tickets\.md lacks the place \{\{question\}\}; there are"),
        ("[[user]]\n{{question}} {{answer}}\n", r"has the unknown place \{\{answer\}\}"),
        ("{{question}}\n", r"has no turn: a line \[\[user\]\]"),
        (None, "no such file"),
    ],
)
def test_a_template_that_does_not_fit_is_refused(
    tmp_path: Path, text: str | None, message: str
) -> None:
    with pytest.raises(ParamsError, match=f"generate_contexts.prompt: .*{message}"):
        own(tmp_path, text)


@pytest.mark.parametrize(
    "path", ["tickets.md", "other/tickets.md", "/etc/passwd", "prompts/../params.yaml"]
)
def test_a_template_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(ParamsError, match="is not in prompts/"):
        own(tmp_path, "[[user]]\n{{question}}\n", path)


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("style", prompts.STYLES)
def test_each_of_our_templates_has_the_places_of_its_condition(
    style: str, condition: prompts.Condition
) -> None:
    places = prompts.context_template(style, condition).places
    assert places == {*prompts.CONDITION_PLACES[condition], "max_words"}


@pytest.mark.parametrize("condition", CONDITIONS[1:])
@pytest.mark.parametrize("style", prompts.STYLES)
def test_each_worked_example_holds_the_answer_it_is_given(
    style: str, condition: prompts.Condition
) -> None:
    turns = prompts.context_template(style, condition).turns[1:-1]
    for (_, asked), (_, written) in zip(turns[::2], turns[1::2], strict=True):
        answer = asked.rsplit("Answer: ", 1)[1]
        assert answer in written


def test_the_paper_s_condition_keeps_the_prompt_that_there_was() -> None:
    assert prompts.context_template("news", "question") == packaged("contexts_news")
