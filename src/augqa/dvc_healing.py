"""What a kill leaves of DVC's own files, which DVC writes in place and does not mend.

`augqa run` looks at them before it asks DVC for anything.
"""

import json
from pathlib import Path

from augqa.files import write_whole
from augqa.programs import committed

LOCK = Path("dvc.lock")
# Which process reads or writes which path, and what guards the file itself.
RWLOCK = Path(".dvc/tmp/rwlock")
_GUARD = Path(".dvc/tmp/rwlock.lock")
_SET_ASIDE = Path(".cache/dvc.lock.cut_short")


def remove_cut_rwlock(folder: Path = Path()) -> bool:
    """Remove DVC's list of who is at work, if a kill has cut it short; return whether it was.

    Whoever is at work writes the list under its guard, so that behind the guard a list that is
    no JSON is nobody's. Where the guard is held, it is left alone.

    Raises:
        OSError: If the file cannot be read or removed.
    """
    if not _is_cut(folder / RWLOCK):
        return False
    # DVC's own, loaded only where it is needed: it takes as long as a stage to start.
    from dvc.lock import LockError, make_lock  # noqa: PLC0415

    try:
        with make_lock(str(folder / _GUARD)):
            cut = _is_cut(folder / RWLOCK)
            if cut:
                (folder / RWLOCK).unlink()
    except LockError:
        # Somebody writes it at this moment.
        return False
    return cut


def _is_cut(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except FileNotFoundError:
        return False
    except ValueError:
        return True
    return False


def set_cut_lock_aside() -> Path:
    """Let the last commit's dvc.lock take the place of one that a kill has cut short.

    Stages that ran since then run again, to the same bytes.

    Returns:
        Where the former one is now.
    """
    _SET_ASIDE.parent.mkdir(exist_ok=True)
    LOCK.replace(_SET_ASIDE)
    if (content := committed(LOCK)) is not None:
        write_whole(LOCK, content)
    return _SET_ASIDE
