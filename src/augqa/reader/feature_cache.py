"""Windows kept on disk under a hash of all that they are made from, read by memory map."""

import dataclasses
import functools
import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from augqa.reader.features import Windows, make_windows

log = logging.getLogger("augqa")

_VERSION = 1  # of what make_windows gives for the same texts: raise it when that changes
_ARRAYS = tuple(f.name for f in dataclasses.fields(Windows) if not f.name.startswith("type_"))
_TYPES = ("type_before", "type_context")


def cached_windows(
    cache: Path | None,
    tokenizer: Any,
    questions: Sequence[str],
    contexts: Sequence[str],
    **lengths: int,
) -> Windows:
    """Return the windows of `make_windows`, from `cache` where the same texts were seen before.

    A cache that cannot be read or written, such as one on a full disk, is told of and done without.

    Args:
        cache: Folder of the cache; it may be removed at any time. None: no cache.
        tokenizer: As for `make_windows`, like all that follows.
        questions: See there.
        contexts: See there.
        **lengths: `max_seq_length` and `doc_stride`; see there.
    """
    if cache is None:
        return make_windows(tokenizer, questions, contexts, **lengths)
    digest = hashlib.sha256()
    header = (_VERSION, sorted(lengths.items()), tokenizer.backend_tokenizer.to_str())
    for text in (*map(str, header), *questions, *contexts):
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    folder = cache / digest.hexdigest()
    try:
        if folder.is_dir():
            return _read(folder)
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        log.warning("%s: damaged (%s); made again", folder, error)
        shutil.rmtree(folder, ignore_errors=True)
    windows = make_windows(tokenizer, questions, contexts, **lengths)
    try:
        _write(folder, windows)
    except OSError as error:
        _tell_once(cache, str(error))
    return windows


@functools.cache
def _tell_once(cache: Path, fault: str) -> None:
    log.warning("%s: tokens are not kept for the next time: %s", cache, fault)


def _read(folder: Path) -> Windows:
    arrays = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _ARRAYS
    }
    types = json.loads((folder / "types.json").read_text(encoding="utf-8"))
    return Windows(**arrays, **{name: types[name] for name in _TYPES})


def _write(folder: Path, windows: Windows) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, suffix=".partial"))
    try:
        for name in _ARRAYS:
            np.save(partial / f"{name}.npy", getattr(windows, name), allow_pickle=False)
        types = {name: getattr(windows, name) for name in _TYPES}
        (partial / "types.json").write_text(json.dumps(types), encoding="utf-8")
        # Where another process was faster, its windows are the same.
        if not folder.is_dir():
            partial.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
