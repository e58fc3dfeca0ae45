"""Files that are there whole or not at all: written aside, put on the disk, then renamed."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from augqa.errors import DataError

# What the machine or its owner can mend; another OSError is a fault of ours.
_OF_THE_MACHINE = {
    errno.ENOSPC: "free some space, and run again: what was made before is kept",
    errno.EDQUOT: "free some space, and run again: what was made before is kept",
    errno.EFBIG: "allow larger files (ulimit -f), or write elsewhere",
    errno.EROFS: "it is read-only: allow writing there",
    errno.EACCES: "allow reading and writing there",
    errno.EPERM: "allow reading and writing there",
    errno.EIO: "see to the disk, and run again",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENOTDIR: "a file stands where a folder is wanted",
    errno.EISDIR: "a folder stands where a file is wanted",
    errno.ELOOP: "a link leads to itself",
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Tell of a file that cannot be written, on a full disk for example, by its name.

    Raises:
        DataError: If the block raises an OSError.
    """
    try:
        yield
    except OSError as error:
        what_to_do = _OF_THE_MACHINE.get(error.errno or 0)
        hint = f" - {what_to_do}" if what_to_do else ""
        raise DataError(f"{path}: cannot be written: {cause(error)}{hint}") from error


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a with-block a file beside `path` to write, and put it in its place at the end.

    It is on the disk before. An error or a crash leaves the former file or none. What the block
    itself raises passes as it is: `writing` is for what it writes.

    Raises:
        DataError: If the file cannot be put in place.
    """
    partial = path.with_name(f"{path.name}.partial")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        with writing(path):
            sync(partial)
            partial.replace(path)
            sync(path.parent)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file, whole or not at all; text as UTF-8.

    Raises:
        DataError: If it cannot be written.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    with whole_file(path) as partial, writing(path):
        partial.write_bytes(data)


def sync(path: Path) -> None:
    """Have the disk keep what was written to a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def told(error: OSError) -> str | None:
    """Return an OSError in words, if the user can mend what it tells of; else None."""
    what_to_do = _OF_THE_MACHINE.get(error.errno or 0)
    if what_to_do is None:
        return None
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{cause(error)} - {what_to_do}"


def cause(error: OSError) -> str:
    """Return what an OSError says, on one line."""
    said = error.strerror or str(error).strip() or type(error).__name__
    return said.splitlines()[0].rstrip(".")
