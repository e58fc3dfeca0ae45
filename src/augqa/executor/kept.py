"""Results that are there already, kept aside on disk until all jobs of a stage are done.

A file a work, under the hash of its work; a record a batch, under the hash of the batch. A record
that a crash cut short is found by its checksum, and what stands from there on is dropped.
"""

import hashlib
import logging
import struct
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from filelock import FileLock, Timeout

log = logging.getLogger("augqa")

_HEAD = struct.Struct("<32sQ8s")  # hash of the batch, length of the result, its checksum


class Kept:
    """The results of a work so far, by the hash of their batch.

    Where the file cannot be had, since another process has it or the disk is full, the work goes
    on without: then one that breaks off begins anew.

    Args:
        folder: Where files of works lie.
        key: Hash of the work.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._path = folder / f"{key}.kept"
        self._lock = FileLock(folder / f"{key}.lock")
        self._file: BinaryIO | None = None
        self._found: dict[bytes, bytes] = {}

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(blocking=False)
            self._file = self._path.open("a+b")
            self._read(self._file)
        except (OSError, Timeout) as error:
            self._do_without(error)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is None:
            return
        with suppress(OSError):
            self._file.close()
        if error is None:
            # The result is whole: whoever asked has it.
            self._path.unlink(missing_ok=True)
            Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()

    def __len__(self) -> int:
        return len(self._found)

    def get(self, batch_hash: bytes) -> bytes | None:
        """Return what was kept for a batch."""
        return self._found.get(batch_hash)

    def put(self, batch_hash: bytes, result: bytes) -> None:
        """Keep the result of a batch."""
        if self._file is None:
            return
        try:
            self._file.write(_HEAD.pack(batch_hash, len(result), hash_of(result)[:8]) + result)
            self._file.flush()
        except OSError as error:
            self._do_without(error)

    def _read(self, file: BinaryIO) -> None:
        file.seek(0)
        sound = 0
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            batch, length, checksum = _HEAD.unpack(head)
            result = file.read(length)
            if len(result) < length or hash_of(result)[:8] != checksum:
                break
            self._found[batch] = result
            sound = file.tell()
        file.truncate(sound)

    def _do_without(self, error: Exception) -> None:
        log.warning("%s: results are not kept aside: %s", self._path, error)
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None
            self._lock.release()


class KeptResults:
    """The results of all jobs of a with-block; they are removed where it ends well.

    Args:
        folder: Where files of works lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._jobs: dict[str, Kept] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._jobs.clear()
        self._stack.__exit__(kind, error, trace)

    def of(self, key: str) -> Kept:
        """Return the results of the jobs of a work, by the hash of the work."""
        if key not in self._jobs:
            self._jobs[key] = self._stack.enter_context(Kept(self._folder, key))
            if len(self._jobs[key]):
                log.info("executor: %s batches were done before", len(self._jobs[key]))
        return self._jobs[key]


def hash_of(content: bytes) -> bytes:
    """Return the hash by which a batch is known, of 32 bytes."""
    return hashlib.sha256(content).digest()
