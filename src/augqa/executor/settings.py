"""Section executor of params.yaml."""

from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import Field

from augqa.errors import ExecutorError
from augqa.schema import PositiveInt, Section


class ExecutorSettings(Section):
    """Who works on batches of a model; no result depends on it.

    Attributes:
        kind: This process, or workers of Ray.
        n_workers: Workers of Ray; null: as many as there is room for.
        cpus_per_worker: What Ray sets aside for each.
        gpus_per_worker: What Ray sets aside for each.
        object_store_mib: Most memory for what is on its way, where a cluster is started here.
        lost_cluster_wait_s: How long to wait for a cluster that was lost in mid-job.
    """

    kind: Literal["local", "ray"]
    n_workers: PositiveInt | None
    cpus_per_worker: Annotated[float, Field(gt=0)]
    gpus_per_worker: Annotated[float, Field(ge=0)]
    object_store_mib: Annotated[int, Field(ge=100)]  # Ray starts with no less than 75 MB
    lost_cluster_wait_s: Annotated[int, Field(ge=0)]

    def refuse_without_ray(self) -> None:
        """Refuse to go on where Ray is asked for and not installed.

        Raises:
            ExecutorError: If it is so.
        """
        if self.kind == "ray" and find_spec("ray") is None:
            raise ExecutorError(
                "executor.kind is ray, but Ray is not installed: make setup EXTRAS=ray"
            )
