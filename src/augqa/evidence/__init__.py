"""What the scores of a study say, and how sure it is: statistics, curves and verdicts, all pure.

`study_of` reduces scores of questions to sums over articles, `gather` says everything that they
show in one record. docs/evidence.md tells what each number means.
"""

from augqa.evidence.comparisons import Comparison, Planned, compare, holm, seed_spread
from augqa.evidence.contrast import Estimate
from augqa.evidence.edges import Edge, EdgeKind
from augqa.evidence.gathering import Evidence, as_metrics, gather
from augqa.evidence.plan import Plan, Sizes
from augqa.evidence.ratio import Sweep
from augqa.evidence.scores import (
    METRICS,
    SHIFTS,
    QuestionSet,
    Scores,
    Study,
    study_of,
    study_of_runs,
)
from augqa.evidence.verdict import Badge, Verdict

__all__ = [
    "METRICS",
    "SHIFTS",
    "Badge",
    "Comparison",
    "Edge",
    "EdgeKind",
    "Estimate",
    "Evidence",
    "Plan",
    "Planned",
    "QuestionSet",
    "Scores",
    "Sizes",
    "Study",
    "Sweep",
    "Verdict",
    "as_metrics",
    "compare",
    "gather",
    "holm",
    "seed_spread",
    "study_of",
    "study_of_runs",
]
