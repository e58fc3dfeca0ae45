"""Where the files of a run are: what stages measured, and what is said and shown of it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Measured:
    """Where the stages wrote what they measured: small files, kept in git."""

    evaluations: Path
    blends: Path
    gates: Path
    prepare: Path
    contexts: Path
    pairs: Path
    filters: Path
    quality: Path


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where the stages wrote all that is shown.

    Attributes:
        measured: The small files.
        predictions: Answers and scores, a folder a run.
        clusters: Articles of the test questions.
        written: Generated contexts.
        test: The test sets.
        sampled_pairs: Pairs to look at.
    """

    measured: Measured
    predictions: Path
    clusters: Path
    written: Path
    test: Path
    sampled_pairs: Path


@dataclass(frozen=True, slots=True)
class Numbers:
    """Where all that is said of the scores is written.

    Attributes:
        summary: Means by recipe and set.
        evidence: What the scores say.
        headline: The numbers for `dvc exp show`.
        plots: Folder of what is plotted.
    """

    summary: Path
    evidence: Path
    headline: Path
    plots: Path


@dataclass(frozen=True, slots=True)
class Outputs(Numbers):
    """Where all that is shown is written.

    Attributes:
        report: The page.
        cases: The page of pairs and questions to look at.
    """

    report: Path
    cases: Path


def measured_in(metrics: Path) -> Measured:
    """Return where the stages' numbers are in a folder like metrics/."""
    return Measured(
        evaluations=metrics / "evaluate",
        blends=metrics / "blend",
        gates=metrics / "validation",
        prepare=metrics / "prepare.json",
        contexts=metrics / "generate_contexts.json",
        pairs=metrics / "generate_pairs.json",
        filters=metrics / "filter_pairs.json",
        quality=metrics / "quality.json",
    )


def numbers_in(metrics: Path) -> Numbers:
    """Return where all that is said of the scores is in a folder like metrics/."""
    return Numbers(
        summary=metrics / "summary.json",
        evidence=metrics / "evidence.json",
        headline=metrics / "headline.json",
        plots=metrics / "plots",
    )
