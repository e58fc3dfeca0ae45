"""A reader's answers by a Ray cluster: what runs on one machine of it. Each batch is noted.

FOLDER/job.json says what to do: `reader`, a folder or the packaged encoder's name, `settings` of
it, `questions` and `contexts`, `batch_size`, `n_workers`, and `pause_s`, how much longer a batch
takes than it would. No batch goes on while there is a file FOLDER/hold; each takes two seconds
more while there is FOLDER/slow. Results lie in FOLDER/answers.json.
"""

import hashlib
import json
import logging
import pickle
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augqa.executor.face import Executor, Work, nothing
from augqa.executor.opening import open_executor
from augqa.executor.settings import ExecutorSettings
from augqa.reader import Reader

_SLOW_S = 2.0


@dataclass
class Noted:
    """A work that notes which machine began and ended which batch."""

    work: Work[Any, Any]
    folder: Path
    pause_s: float

    @property
    def n_at_once(self) -> int:
        return self.work.n_at_once

    def key(self) -> str:
        return self.work.key()

    @contextmanager
    def session(self) -> Iterator[Callable[[Any], Any]]:
        with self.work.session() as run:

            def noted(batch: Any) -> Any:
                name = hashlib.sha256(pickle.dumps(batch)).hexdigest()
                note(self.folder, f"began {socket.gethostname()} {name}")
                time.sleep(self.pause_s + _SLOW_S * (self.folder / "slow").exists())
                while (self.folder / "hold").exists():
                    time.sleep(0.1)
                result = run(batch)
                note(self.folder, f"ended {socket.gethostname()} {name}")
                return result

            yield noted


@dataclass
class Noting:
    """An executor whose works are noted."""

    executor: Executor
    folder: Path
    pause_s: float

    def map(
        self,
        work: Work[Any, Any],
        batches: Sequence[Any],
        *,
        done: Callable[[int], object] = nothing,
    ) -> list[Any]:
        note(self.folder, f"batches {len(batches)}")

        def told(number: int) -> None:
            note(self.folder, f"done {number}")
            done(number)

        return self.executor.map(Noted(work, self.folder, self.pause_s), batches, done=told)


def note(folder: Path, line: str) -> None:
    """Append a line to FOLDER/notes, whole, from whichever machine."""
    with (folder / "notes").open("ab", buffering=0) as file:
        file.write(f"{time.time():.3f} {line}\n".encode())


def reader(job: dict[str, Any]) -> Reader:
    return Reader.load(job["reader"], threads=1, **job["settings"])


def answered(found: Reader, job: dict[str, Any], **how: Any) -> list[Any]:
    """Return text, start and score of each answer; a score's digits are all there."""
    asked = (job["questions"], job["contexts"])
    answers = found.answer_texts(*asked, batch_size=job["batch_size"], **how)
    return [[answer.text, answer.start, answer.score] for answer in answers]


def main() -> None:
    """Do what the job in the folder says that the command line names."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    folder = Path(sys.argv[1])
    job = json.loads((folder / "job.json").read_text("utf-8"))
    settings = ExecutorSettings(
        kind="ray",
        n_workers=job["n_workers"],
        cpus_per_worker=1.0,
        gpus_per_worker=0.0,
        object_store_mib=100,
        lost_cluster_wait_s=300,
    )
    with open_executor(settings, folder=folder / "executor") as executor:
        noting = Noting(executor, folder, job["pause_s"])
        answers = answered(reader(job), job, executor=noting)
    (folder / "answers.json").write_text(json.dumps(answers), encoding="utf-8")
