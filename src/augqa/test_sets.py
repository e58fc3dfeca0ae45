"""Test sets: how params name them, and what is known of published ones.

A figure was published for a text, not for a name: a set bears it because its bytes are those of the
published file, or because it is that split of that hub data set. Whatever a user calls a set, and
whatever else they call ``squad``, changes nothing.

Checksums: the publishers' files, as the hub's own data set cards record them. Figures: Miller et
al. 2020 (arXiv:2004.14444), Awadalla et al. 2022 (arXiv:2210.12517), and the readers' model cards.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from augqa.schema import Section

# home: of the kind the reader is trained on. shift: other questions and texts, as people wrote
# them; the mean over these is the headline. stress: made to be hard; reported apart.
Role = Literal["home", "shift", "stress"]


class Terms(Section):
    """What the owner of a set asks for. Nothing is made of it: it goes along with what is made.

    Attributes:
        license: Its licence, best by its SPDX name; None where nobody said it.
        citation: What to cite.
    """

    license: str | None = Field(default=None, min_length=1, max_length=300)
    citation: str | None = Field(default=None, min_length=1, max_length=300)

    @field_validator("license", "citation")
    @classmethod
    def terms_are_one_line(cls, said: str | None) -> str | None:
        # It stands on pages, in YAML and in Markdown.
        if said is not None and not said.isprintable():
            raise ValueError(f"must be one line of printable characters, found {said!r}")
        return said

    def words(self) -> str:
        """Return both on one line."""
        told = self.license or "not stated"
        return f"{told} ({self.citation})" if self.citation else told


class SampleSource(Terms):
    """A file of the project's own sample."""

    kind: Literal["sample"]
    name: str = Field(min_length=1)


class FileSource(Terms):
    """A file under data/external, in any format of `augqa.formats`."""

    kind: Literal["file"]
    name: str = Field(min_length=1)
    sha256: str | None = Field(pattern="^[0-9a-f]{64}$")

    @field_validator("name")
    @classmethod
    def name_is_below_the_folder(cls, name: str) -> str:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"must name a file below data/external, found {name!r}")
        return name


class HubSource(Terms):
    """One split of a dataset on the Hugging Face hub."""

    kind: Literal["hub"]
    path: str = Field(min_length=1)
    config: str | None
    split: str = Field(min_length=1)
    revision: str = Field(min_length=1)


Source = Annotated[SampleSource | FileSource | HubSource, Field(discriminator="kind")]


class SetEntry(Section):
    """A test set."""

    title: str = Field(min_length=1)
    role: Role
    source: Source


# Other files, and rows of tables, have these names.
_RESERVED_SETS = ("train", "manifest", "real", "golds", "sets", "shifts")


class Data(Section):
    repair: bool
    unanswerable: Literal["refuse", "drop"]
    train: Source
    test_sets: dict[str, SetEntry] = Field(min_length=1)

    @field_validator("test_sets")
    @classmethod
    def names_are_file_names(cls, test_sets: dict[str, SetEntry]) -> dict[str, SetEntry]:
        for name in test_sets:
            if not re.fullmatch("[a-z0-9_]+", name):
                raise ValueError(
                    f"{name!r} becomes the name of files: use a to z, 0 to 9 and _ alone"
                )
            if name in _RESERVED_SETS:
                raise ValueError(f"{name!r} is taken: call the set something else")
        return test_sets

    def sources(self) -> dict[str, Source]:
        """Return the source of the training set and of each test set, by name."""
        return {"train": self.train, **{name: s.source for name, s in self.test_sets.items()}}

    def licences(self) -> tuple[str, ...]:
        """Return what is licensed how, in words: one line for all sets of the same terms."""
        titles: dict[str, list[str]] = {self.train.words(): ["training set"]}
        for entry in self.test_sets.values():
            titles.setdefault(entry.source.words(), []).append(entry.title)
        # A title may hold a comma.
        return tuple(f"{'; '.join(sets)}: {terms}" for terms, sets in titles.items())


SQUAD_TRAIN, SQUAD = "squad_train", "squad"
NEW_WIKI, NYT, AMAZON, REDDIT = "new_wiki", "nyt", "amazon", "reddit"

_SHIFTS_HUB = ("ludwigschmidt/squadshifts", "squadshifts")
_SQUAD_HUB = ("rajpurkar/squad", "squad")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A published set.

    Attributes:
        sha256: Checksums of files that hold it.
        hub: Hub data set, configuration and split that hold it.
        file_names: Names under which its publisher, or habit, has it; the first one is ours.
    """

    sha256: frozenset[str]
    hub: frozenset[tuple[str, str, str]]
    file_names: tuple[str, ...]


def _shift(sha256: str, config: str, *file_names: str) -> Published:
    return Published(
        sha256=frozenset({sha256}),
        hub=frozenset((path, config, "test") for path in _SHIFTS_HUB),
        file_names=(f"{config}.json", *file_names),
    )


PUBLISHED: Mapping[str, Published] = {
    SQUAD_TRAIN: Published(
        sha256=frozenset(
            {
                "3527663986b8295af4f7fcdff1ba1ff3f72d07d61a20f487cb238a6ef92fd955",
                # The same questions in the same order, with ids made from their content.
                "d65ba372dd008a3068b89d1b6201e85dfc704aab8a00de3da1a718ed1665ccd2",
            }
        ),
        hub=frozenset((path, "plain_text", "train") for path in _SQUAD_HUB),
        file_names=("train.json", "train-v1.1.json", "squad-train-v1.1.json"),
    ),
    SQUAD: Published(
        sha256=frozenset({"95aa6a52d5d6a735563366753ca50492a658031da74f301ac5238b03966972c9"}),
        hub=frozenset((path, "plain_text", "validation") for path in _SQUAD_HUB),
        file_names=("squad.json", "dev.json", "dev-v1.1.json", "squad-dev-v1.1.json"),
    ),
    NEW_WIKI: _shift(
        "1d50a0ca4cdab88d038b52ea8a2d0510af6038d7f41a0a256b9659237769d0ee",
        "new_wiki",
        "new_wiki_v1.0.json",
    ),
    NYT: _shift(
        "fd55ae252cc735a695fab4473d4cd605b154183ac3b3eb63068f53cfc86f36d6",
        "nyt",
        "nyt_v1.0.json",
    ),
    AMAZON: _shift(
        "9db7bdee84a91f0fb80b9e74f365042fbbb217cb8e0a7e73bb071245472589b6",
        "amazon",
        "amazon_reviews_v1.0.json",
    ),
    REDDIT: _shift(
        "b4ac346dbf1816fdec80fdcf91d06a4b754fa51e47960fa8614a94f37ea42a4b",
        "reddit",
        "reddit_v1.0.json",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Published F1 of a reader trained on all of SQuAD, or of humans, by published set."""

    name: str
    f1: Mapping[str, float]


ANCHORS = (
    Anchor(
        name="roberta-base (deepset, SQuAD 2.0)",
        f1={SQUAD: 91.8, NEW_WIKI: 90.6, NYT: 90.8, AMAZON: 83.3, REDDIT: 82.9},
    ),
    Anchor(
        name="roberta-base (FreeLB)",
        f1={SQUAD: 91.9, NEW_WIKI: 90.1, NYT: 90.7, AMAZON: 83.1, REDDIT: 83.3},
    ),
    Anchor(
        name="bert-base-uncased",
        f1={SQUAD: 88.2, NEW_WIKI: 86.8, NYT: 85.8, AMAZON: 75.1, REDDIT: 77.0},
    ),
    Anchor(
        name="human",
        f1={NEW_WIKI: 92.4, NYT: 95.0, AMAZON: 92.1, REDDIT: 92.2},
    ),
)

# F1 on a shift as a line over F1 on SQuAD dev: slope and intercept, fitted on the rows of the 57
# fine-tuned models of Awadalla et al. 2022.
LINES: Mapping[str, tuple[float, float]] = {
    NEW_WIKI: (0.988, -0.47),
    NYT: (1.090, -9.82),
    AMAZON: (1.488, -54.29),
    REDDIT: (1.422, -48.02),
}
# No fitted model lies below.
LINE_HOLDS_ABOVE = 70.0


def file_content(sha256: str) -> str:
    """Return what identifies the content of a file."""
    return f"sha256:{sha256}"


def hub_content(path: str, config: str | None, split: str) -> str:
    """Return what identifies the content of a split on the hub."""
    return f"hub:{path}:{config or ''}:{split}"


_BY_CONTENT = {
    content: key
    for key, known in PUBLISHED.items()
    for content in (*map(file_content, known.sha256), *(hub_content(*hub) for hub in known.hub))
}


def published_as(content: str | None) -> str | None:
    """Return the key of the published set that has this content; None for any other."""
    return _BY_CONTENT.get(content or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedSet:
    """A test set as the results show it.

    Attributes:
        name: Its key in params.yaml, and the name of its files.
        title: What people call it.
        role: What it stands for.
        published: Key of the published set whose content it has; None for any other.
    """

    name: str
    title: str
    role: Role
    published: str | None = None


def reported_sets(
    entries: Mapping[str, SetEntry], content: Mapping[str, str] | None = None
) -> tuple[ReportedSet, ...]:
    """Return the test sets of the params, in their order.

    Args:
        entries: The entries of the params.
        content: What identifies the content of those that are there; None where it is not known.
    """
    known = content or {}
    return tuple(
        ReportedSet(
            name=name,
            title=entry.title,
            role=entry.role,
            published=published_as(known.get(name)),
        )
        for name, entry in entries.items()
    )
