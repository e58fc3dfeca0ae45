"""Run a small pipeline with everything on servers, and go on from them in a fresh clone.

    make setup EXTRAS='remote bench' && .venv/bin/python -m tests.remote

S3 is moto's server, PostgreSQL Debian's (SQLite where there is none), the language model a
scripted one, all on loopback. What must hold is asserted; one JSON line last.
"""

import json
import resource
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from tests.pipelines import Project, new_project, scripted_model, small_params
from tests.remote import servers


def main() -> None:
    """Make, push, clone, pull, reproduce; then hand on the responses and look at the runs."""
    began = time.monotonic()
    # The servers are stopped before their folder is removed.
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        found: dict[str, Any] = {}
        model = stack.enter_context(scripted_model())
        s3 = stack.enter_context(servers.s3(folder, ("data", "runs")))
        programs = servers.postgresql_programs()
        if programs is not None:
            store = stack.enter_context(servers.postgresql(folder, programs))
        else:
            store = f"sqlite:///{folder / 'mlflow.db'}"
        found["tracking_store"] = store.split(":")[0]
        env = {**servers.KEYS, "MLFLOW_S3_ENDPOINT_URL": s3}
        tracking = stack.enter_context(
            servers.mlflow(folder, store, artifacts="s3://runs/augqa", env=env)
        )

        first = new_project(folder / "first", small_params(model.url))
        first.env |= {**servers.KEYS, "MLFLOW_TRACKING_URI": tracking}
        first.run("dvc", "remote", "add", "--default", "storage", "s3://data/dvc")
        first.run("dvc", "remote", "modify", "storage", "endpointurl", s3)
        found["stages"] = len(first.stages_run("dvc", "repro"))
        first.run("git", "add", "--all")
        first.run("git", "commit", "--quiet", "--message", "results")
        found["pushed"] = first.run("dvc", "push", "--run-cache").strip().splitlines()[-1]
        responses = folder / "responses.jsonl.gz"
        first.run("augqa", "cache", "export", str(responses))
        n_asked = sum(model.answered.values())

        first.run("git", "clone", "--quiet", str(first.folder), str(folder / "second"))
        second = Project(folder / "second")
        second.env |= {**servers.KEYS, "MLFLOW_TRACKING_URI": tracking}
        found["pulled"] = second.run("dvc", "pull", "--run-cache").strip().splitlines()[-1]
        found["stages_run_in_the_clone"] = second.stages_run("dvc", "repro")
        assert found["stages_run_in_the_clone"] == []
        assert second.run("git", "status", "--porcelain") == ""

        lock = second.lock()
        second.run("augqa", "cache", "import", str(responses))
        second.run("dvc", "repro", "--force", "--single-item", "generate_contexts")
        second.run("dvc", "repro", "--force", "--single-item", "generate_pairs")
        assert second.lock() == lock
        found["requests_first"] = n_asked
        found["requests_in_the_clone"] = sum(model.answered.values()) - n_asked
        assert n_asked > 0
        assert found["requests_in_the_clone"] == 0

        found |= _tracked(tracking, folder)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    found["cpu_s"] = round(used.ru_utime + used.ru_stime)
    found["seconds"] = round(time.monotonic() - began)
    print(json.dumps(found))


def _tracked(address: str, folder: Path) -> dict[str, Any]:
    """Return what the server has: runs, versions, and a report that comes back through it."""
    client = MlflowClient(tracking_uri=address)
    experiment = client.get_experiment_by_name("augqa")
    assert experiment is not None
    assert experiment.artifact_location.startswith("mlflow-artifacts:")
    runs = client.search_runs([experiment.experiment_id])
    (study,) = (run for run in runs if "augqa.study" in run.data.tags)
    artifacts = [entry.path for entry in client.list_artifacts(study.info.run_id)]
    assert "index.html" in artifacts
    report = client.download_artifacts(study.info.run_id, "index.html", str(folder))
    assert Path(report).read_bytes() == (folder / "first/report/index.html").read_bytes()
    versions = client.search_model_versions("name='augqa-reader'")
    assert len(versions) == 2
    return {"runs": len(runs), "versions": len(versions), "artifacts": sorted(artifacts)}


if __name__ == "__main__":
    main()
