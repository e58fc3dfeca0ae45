"""Kill each stage of the small pipeline again and again: ``python -m tests.soak --kills 100``.

Every kill is a round of its own: a stage and DVC's record of it are taken away, `dvc repro` is
killed while it makes them anew, and runs again to its end. Nine in ten kills are spread evenly
over the stages; the others come one after the other in a run that has nothing at all.
"""

import argparse
import json
import random
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.pipelines import Project, new_project, scripted_model, small_params
from tests.soak.killing import Broken, Undisturbed, chain, timed_repro, with_what_closes


def main() -> None:
    """Run the rounds; print a line for each, and one of JSON last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, help="no round begins later")
    options = parser.parse_args()
    began = time.monotonic()
    moments = random.Random(options.seed)
    folder = Path(tempfile.mkdtemp(prefix="augqa-soak-"))
    where: Counter[str] = Counter()
    faults: list[str] = []
    n_kills = n_lost = n_chained = 0
    with scripted_model() as model:
        params = small_params(model.url)
        project = new_project(folder / "project", params)
        # So that kills meet answers on their way.
        model.delay_s = 0.4
        seconds = timed_repro(project)
        project.run("git", "add", "--all")
        project.run("git", "commit", "--quiet", "--message", "results")
        n_files = len(list(project.folder.rglob("*")))
        print(f"undisturbed: {len(seconds)} stages in {sum(seconds.values()):.0f} s", flush=True)
        print(f"{project.folder}: {n_files} files", flush=True)
        shutil.copytree(project.folder, folder / "pristine", symlinks=True)
        undisturbed = Undisturbed(
            project, model, seconds, max_in_flight=params["llm"]["max_in_flight"]
        )
        n_in_a_row = options.kills // 10
        order: list[str] = []
        while n_kills < options.kills:
            if options.minutes is not None and time.monotonic() - began > 60 * options.minutes:
                break
            if not order:
                order = moments.sample(undisturbed.stages, len(undisturbed.stages))
            if n_in_a_row and n_kills >= options.kills // 2 and not n_chained:
                stages, wanted, new_store = undisturbed.stages, n_in_a_row, True
                n_chained = n_in_a_row
            else:
                stages, wanted = with_what_closes(order.pop()), 1
                new_store = len(stages) > 1 and moments.random() < 0.5
            seed = moments.getrandbits(32)
            try:
                killed = chain(undisturbed, stages, n_kills=wanted, seed=seed, new_store=new_store)
            except Broken as error:
                faults.append(f"{', '.join(stages)}, seed {seed}: {error}")
                print(f"BROKEN {faults[-1]}", flush=True)
                _restore(project, folder / "pristine", folder / f"broken-{len(faults)}")
                n_kills += wanted
                continue
            for one in killed:
                n_kills += 1
                n_lost += one.n_lost
                where[one.stage or "before the first stage"] += 1
                print(
                    f"{n_kills}: {one.stage or 'before the first stage'} after {one.seconds:.1f} s,"
                    f" {one.n_processes} processes, {one.n_lost} answers on their way",
                    flush=True,
                )
    if not faults:
        shutil.rmtree(folder)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        json.dumps(
            {
                "kills": n_kills,
                "in_a_row_from_nothing": n_chained,
                "stages_hit": len(where),
                "stages": len(seconds),
                "faults": len(faults),
                "answers_asked_for_again_that_were_kept": 0 if not faults else None,
                "answers_on_their_way": n_lost,
                "cpu_minutes": round((used.ru_utime + used.ru_stime) / 60, 1),
                "minutes": round((time.monotonic() - began) / 60, 1),
                "where": dict(sorted(where.items())),
            }
        )
    )
    sys.exit(bool(faults))


def _restore(project: Project, pristine: Path, aside: Path) -> None:
    project.folder.rename(aside)
    shutil.copytree(pristine, project.folder, symlinks=True)


if __name__ == "__main__":
    main()
