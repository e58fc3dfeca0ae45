"""MLflow, imported as its slim build is: the only file that does.

mlflow-skinny is MLflow without pandas and SciPy, among others, and logs as well. The whole one
imports both where they are there, a third of what it costs, so here they are out of its sight.
Registering a model needs pandas, and imports it then.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_LEFT_OUT = ("pandas", "scipy")

# Read by mlflow at import or at the first request. A server that is down must cost a training
# seconds, not the four minutes of mlflow's seven retries; what the user has set stays.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
os.environ.setdefault("PGCONNECT_TIMEOUT", "5")  # psycopg's own is 130 s
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")


class _OutOfSight(MetaPathFinder):
    """Finds nothing of some packages, for one thread."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._thread = threading.get_ident()

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the interface's
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if threading.get_ident() == self._thread and fullname.partition(".")[0] in self._names:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


@contextlib.contextmanager
def _out_of_sight() -> Iterator[None]:
    # What is loaded already costs nothing more.
    finder = _OutOfSight([name for name in _LEFT_OUT if name not in sys.modules])
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


with _out_of_sight():
    import mlflow
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient
    from mlflow.utils.validation import (
        MAX_ENTITY_KEY_LENGTH,
        MAX_PARAM_VAL_LENGTH,
        MAX_PARAMS_TAGS_PER_BATCH,
    )

__all__ = [
    "MAX_ENTITY_KEY_LENGTH",
    "MAX_PARAMS_TAGS_PER_BATCH",
    "MAX_PARAM_VAL_LENGTH",
    "Dataset",
    "DatasetInput",
    "InputTag",
    "Metric",
    "MlflowClient",
    "MlflowException",
    "Param",
    "Run",
    "RunTag",
    "mlflow",
]
