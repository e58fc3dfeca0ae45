"""Runs, scores, studies and the champion in MLflow. A copy for comparing: metrics/ stays the truth.

Nothing here may cost a training: what goes wrong is told in one line, and tracking ends there.
`store` is where it lies, `runs` a training, `versions` a model's scores. `studies`, what summarize
says, is not imported from here: a training needs none of its statistics. MLflow is imported when
the first of these names is asked for, so only by who logs. `python -m augqa.tracking init` makes
the store before several workers ask for it at once.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from augqa.tracking.runs import TrackedRun, training_run
    from augqa.tracking.store import init, view_address
    from augqa.tracking.versions import CHAMPION, asked_digest, log_evaluation, run_ids

__all__ = [
    "CHAMPION",
    "TrackedRun",
    "asked_digest",
    "init",
    "log_evaluation",
    "run_ids",
    "training_run",
    "view_address",
]

_MODULES = {
    **dict.fromkeys(("TrackedRun", "training_run"), "runs"),
    **dict.fromkeys(("init", "view_address"), "store"),
    **dict.fromkeys(("CHAMPION", "asked_digest", "log_evaluation", "run_ids"), "versions"),
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
