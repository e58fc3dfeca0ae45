"""Where a study says less than it seems to, it says so: on the page, in the terminal, in table.md.

Each case is a study on files with one fault. What stage summarize makes of it is page and
terminal; what `augqa results` keeps of it is the table.
"""

import html
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augqa.commands.results import _page_of_table
from augqa.params import load_params
from augqa.report.assembling import Inputs, Measured, Outputs, assemble, write_results
from tests.measured import (
    F1S,
    OPTIONS,
    change,
    new_study,
    write,
    write_clusters,
    write_regime,
    write_scores,
)

PLACES = ("page", "terminal", "table.md")
# Knobs of a point of a sweep, and its training set.
_SIZE = 40


def in_one_line(text: str) -> str:
    return " ".join(text.split())


def one_seed(study: Path) -> None:
    change(study, training_seeds=[1])


def missing_shift(study: Path) -> None:
    """Leave the study as it is: nyt and reddit have no file."""


def failed_run_of_a_sweep(study: Path) -> None:
    points = {"mix_25": 0.25, "mix": 0.5, "mix_75": 0.75}
    knobs = {
        name: {"kind": "mix", "n_examples": _SIZE, "generated_fraction": fraction}
        for name, fraction in points.items()
    }
    change(study, regimes=list(points), blend=knobs)
    for name, fraction in points.items():
        write_regime(study, name, above_real=2.0 + fraction, seeds=[1, 2])
        n_generated = round(_SIZE * fraction)
        sizes = {"n_real": _SIZE - n_generated, "n_generated": n_generated, "n_dropped": {}}
        write(study / f"metrics/blend/{name}.json", sizes)
    for seed in (1, 2):
        shutil.rmtree(study / f"data/predictions/mix_75-{seed}")


def few_articles(study: Path) -> None:
    write_clusters(study, F1S, n_articles=7)


def no_control(study: Path) -> None:
    change(study, study={"primary": [{"recipe": "mix", "control": "real_longer"}]})


def control_never_named(study: Path) -> None:
    change(study, study={"primary": [{"recipe": "mix", "control": None}]})


def too_small(study: Path) -> None:
    # Another seed makes a difference of 20 points, another recipe one of half a point.
    for place, recipe in enumerate(("real", "generated", "mix")):
        for seed, moved in ((1, -10.0), (2, 10.0)):
            f1s = {name: f1 + moved + 0.5 * place for name, f1 in F1S.items()}
            write_scores(study, recipe, seed, f1s)


def nothing_planned(study: Path) -> None:
    change(study, study={"primary": []})


def control_of_another_size(study: Path) -> None:
    sizes = {"n_examples": 80, "n_real": 60, "n_generated": 20, "n_dropped": {}}
    write(study / "metrics/blend/mix.json", sizes)


def clear_gain(study: Path) -> None:
    for seed in (1, 2):
        write_scores(study, "mix", seed, {name: f1 + 20.0 + seed for name, f1 in F1S.items()})


Shown = dict[str, str]  # words by place
EDGES: dict[Callable[[Path], None], list[str]] = {
    one_seed: [
        "Every recipe had one training: what is said of it is about these readers on other"
        " articles, not about the recipe.",
        "another seed may give the opposite",
        "these readers alone",
    ],
    missing_shift: [
        "Not available: nyt and reddit. The mean is over 2 shifts and is not to be held against"
        " one over more.",
    ],
    failed_run_of_a_sweep: [
        "Failed or not run: mix_75 (every seed). What is left is reported as it is; if the hard"
        " ones fail, it looks better than it is.",
        "one point of sweep fixed size: mix_25, mix, mix_75 failed or did not run: mix_75.",
    ],
    few_articles: [
        "have 7 articles each: below 20 the interval over articles is itself a guess.",
    ],
    no_control: [
        "mix stands without its control: real_longer has no scores, so that a gain over it could"
        " come from more steps or more examples.",
    ],
    control_never_named: ["mix: not shown: mix stands without its control"],
    too_small: [
        "it was too small to find anything. More seeds, or more articles, are needed.",
        "Not shown is not the same as no effect.",
    ],
    nothing_planned: [
        "No comparison was named before the run: all of them are exploratory, and none has a star.",
    ],
    control_of_another_size: [
        "mix is trained on 80 examples and its control real on 60: a difference between them may"
        " come from the size.",
    ],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[Path], None]], Shown]:
    """Return a way to make a study with an edge and read what each place says of it."""

    def make(edge: Callable[[Path], None]) -> Shown:
        study = new_study(tmp_path_factory.mktemp("study"))
        edge(study)
        with pytest.MonkeyPatch.context() as at:
            at.chdir(study)
            options = [Path(path) for path in OPTIONS.values()]
            measured = Measured(*options[4:12])
            found = assemble(load_params(), Inputs(measured, *options[:4], options[12]))
            terminal = write_results(found, Outputs(*options[13:]))
            page = Path("report/index.html").read_text(encoding="utf-8")
            # What `augqa results` writes beside the numbers that it keeps.
            table = _page_of_table("edge", study)
        return {
            # What is read, not what is marked up or drawn.
            "page": in_one_line(html.unescape(re.sub(r"<[^>]*>", "", page[page.index("<body") :]))),
            "terminal": in_one_line(terminal),
            "table.md": in_one_line(table),
        }

    return make


@pytest.fixture(scope="module", params=EDGES, ids=lambda edge: edge.__name__)
def said(request: Any, made: Callable[[Callable[[Path], None]], Shown]) -> tuple[list[str], Shown]:
    """Return the words of an edge, and what each place says of a study that has it."""
    return EDGES[request.param], made(request.param)


@pytest.mark.parametrize("place", PLACES)
def test_each_edge_is_said_in_the_same_words_everywhere(
    said: tuple[list[str], Shown], place: str
) -> None:
    words, shown = said
    assert [sentence for sentence in words if sentence not in shown[place]] == []


def test_a_study_without_these_edges_says_none_of_it(
    made: Callable[[Callable[[Path], None]], Shown],
) -> None:
    shown = made(clear_gain)
    wanted = {words for edge, of in EDGES.items() if edge is not missing_shift for words in of}
    assert [(place, words) for place in PLACES for words in wanted if words in shown[place]] == []
