"""A `dvc repro` that is watched while it runs, and every process that it has started."""

import re
import subprocess
import threading
import time
import uuid

import psutil

from tests.pipelines import Project

_STARTED = re.compile(r"Running stage '([^']+)'")
_MARK = "AUGQA_SOAK"


class Run:
    """A `dvc repro` in a process group of its own."""

    def __init__(self, project: Project) -> None:
        self._token = uuid.uuid4().hex
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            ["dvc", "repro"],
            cwd=project.folder,
            env={**project.env, _MARK: self._token, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.stages: list[tuple[str, float]] = []
        self.ended = threading.Event()
        self._lines: list[str] = []
        self._news = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            with self._news:
                self._lines.append(line)
                if found := _STARTED.match(line):
                    self.stages.append((found.group(1), time.monotonic()))
                self._news.notify_all()
        with self._news:
            self.ended.set()
            self._news.notify_all()

    def wait_for(self, stage: str) -> bool:
        """Wait until a stage has started; False where the run ends without it."""
        with self._news:
            self._news.wait_for(
                lambda: self.ended.is_set() or any(name == stage for name, _ in self.stages)
            )
            return any(name == stage for name, _ in self.stages)

    def text(self) -> str:
        with self._news:
            return "".join(self._lines)

    def processes(self) -> list[str]:
        """Return the processes that this run has started, in whatever group they are."""
        found = []
        for process in psutil.process_iter():
            try:
                if (
                    process.status() != psutil.STATUS_ZOMBIE
                    and process.environ().get(_MARK) == self._token
                ):
                    found.append(" ".join(process.cmdline())[:120])
            except psutil.Error:
                continue
        return found
