"""What is known of published sets belongs to their content, not to a name."""

from pathlib import Path

import pytest

from augqa.params import load_params
from augqa.test_sets import (
    ANCHORS,
    LINES,
    PUBLISHED,
    HubSource,
    file_content,
    hub_content,
    published_as,
    reported_sets,
)

DEV = "95aa6a52d5d6a735563366753ca50492a658031da74f301ac5238b03966972c9"


@pytest.mark.parametrize(
    ("content", "published"),
    [
        (file_content(DEV), "squad"),
        (file_content("0" * 64), None),
        (hub_content("rajpurkar/squad", "plain_text", "validation"), "squad"),
        (hub_content("rajpurkar/squad", "plain_text", "train"), "squad_train"),
        (hub_content("ludwigschmidt/squadshifts", "nyt", "test"), "nyt"),
        (hub_content("somebody/squad", "plain_text", "validation"), None),
        (hub_content("somebody/mine", None, "test"), None),
        (None, None),
    ],
)
def test_a_set_is_known_by_its_content(content: str | None, published: str | None) -> None:
    assert published_as(content) == published


def test_no_content_is_that_of_two_sets() -> None:
    files = [sha for known in PUBLISHED.values() for sha in known.sha256]
    splits = [split for known in PUBLISHED.values() for split in known.hub]
    names = [name for known in PUBLISHED.values() for name in known.file_names]
    for all_of in (files, splits, names):
        assert len(set(all_of)) == len(all_of)


def test_figures_and_lines_are_of_published_sets() -> None:
    assert set(LINES) <= set(PUBLISHED)
    assert all(set(anchor.f1) <= set(PUBLISHED) for anchor in ANCHORS)


def test_every_hub_set_of_the_paper_s_profile_is_known() -> None:
    own = load_params(Path("profiles/paper.yaml")).data
    assert all(isinstance(source, HubSource) for source in own.sources().values())
    content = {
        name: hub_content(source.path, source.config, source.split)
        for name, source in own.sources().items()
        if isinstance(source, HubSource)
    }
    known = {entry.name: entry.published for entry in reported_sets(own.test_sets, content)}
    assert known == {name: name for name in ("squad", "new_wiki", "nyt", "amazon", "reddit")}
    assert published_as(content["train"]) == "squad_train"
