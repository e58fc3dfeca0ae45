"""Make the locks in requirements/ from pyproject.toml: `make lock`, `make lock UPGRADE=1`.

uv resolves everything at once for every Python and machine that pyproject.toml names, so that the
parts agree; it installs nothing. Each part is then cut out of that one resolution:

    base.lock    what augqa needs, without torch and what torch's CUDA build alone needs
    build.lock   what builds the few packages that come as sources
    torch.lock   torch of the public index
    cuda.lock    what torch's CUDA build needs, and its CPU build does not
    test.lock, bench.lock, ray.lock, sentencepiece.lock    what an extra adds to base.lock
    weights.lock, tools.lock    resolved on their own, from the .in file of the same name
    torch-cpu.lock    torch's CPU builds for Linux, which the public index does not have: made of
                      the wheels named by `make lock WHEELS='/folder/torch-*+cpu-*.whl'`

Versions that are locked stay, unless UPGRADE=1 or pyproject.toml asks for others.
"""

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

FOLDER = Path("requirements")
UV = Path(sys.executable).with_name("uv")
OLDEST_PYTHON = "3.11"
# Resolved on their own, or, torch's CPU builds, not on the index at all.
ALONE = ("tools", "weights", "torch-cpu")
# torch's own: its CUDA build alone asks for them.
CUDA = re.compile(r"(nvidia|cuda)-|triton$")
# What uv writes behind each package that every machine of pyproject.toml's [tool.uv] needs.
EVERYWHERE = (
    " ; python_full_version < '3.14' and (sys_platform == 'darwin' or sys_platform == 'linux')"
)
# The machine whose downloads are counted at the head of each lock.
WEIGHED = "Linux x86_64, Python 3.11"
WEIGHED_WHEEL = re.compile(
    r"-(cp311-cp311|cp3\d+-abi3|(py2\.)?py3-none)-(any|.*linux.*x86_64)\.whl$"
)

Block = list[str]  # the lines of one package: `name==version`, its hashes, who asks for it


def main() -> None:
    """Write every part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--upgrade", action="store_true", help="take the newest that fits")
    parser.add_argument("--wheels", nargs="*", type=Path, help="CPU builds of torch")
    arguments = parser.parse_args()
    upgrade = arguments.upgrade
    extras = tomllib.loads(Path("pyproject.toml").read_text())["project"]["optional-dependencies"]

    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder, "pins.txt")
        pins.write_text("" if upgrade else "\n".join(_locked(sorted(FOLDER.glob("*.lock")))))
        everything = _compile(["pyproject.toml", "--all-extras", "--constraint", str(pins)])
        pins.write_text("\n".join(_pin(block) for block in everything.values()))
        base = set(_compile(["pyproject.toml", "--constraint", str(pins)]))
        parts = {"build": {"setuptools"}, "torch": {"torch"}}
        parts["cuda"] = {name for name in base if CUDA.match(name)}
        for name in extras:
            command = ["pyproject.toml", "--extra", name, "--constraint", str(pins)]
            parts[name] = set(_compile(command)) - base
        parts["base"] = base - {"torch"} - parts["cuda"]
        _check_cuda(everything, parts["cuda"])
        weights = _compile([str(FOLDER / "weights.in"), "--no-deps"])
        sizes = _sizes(Path(folder), everything) | _sizes(Path(folder), weights)

    for part, names in parts.items():
        _write(part, {name: everything[name] for name in sorted(names)}, sizes)
    _write("weights", weights, sizes)
    _write_cpu_builds(_pin(everything["torch"]), arguments.wheels or [])
    tools = [str(FOLDER / "tools.in"), *_kept_pins("tools", upgrade)]
    _write("tools", _compile(tools), {})


def _compile(arguments: list[str]) -> dict[str, Block]:
    """Resolve; return the block of each package by its name."""
    command = [str(UV), "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
    command += ["--no-header", "--python-version", OLDEST_PYTHON, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"tools/lock.py: {' '.join(command)} failed")
    blocks: dict[str, Block] = {}
    for line in done.stdout.splitlines():
        if match := re.match(r"([a-z0-9-]+)(\[[a-z,-]+\])?==", line):
            blocks[match[1]] = block = []
        if not line.startswith(("    #   -c ", "    # via -c ")):
            block.append(line.replace(EVERYWHERE, ""))
    return {name: _via(block) for name, block in blocks.items()}


def _via(block: Block) -> Block:
    """Write one asker on one line, as uv does where no constraint stood beside it."""
    if len(block) > 1 and block[-2] == "    # via":
        return [*block[:-2], block[-1].replace("    #   ", "    # via ")]
    return block


def _pin(block: Block) -> str:
    return block[0].split(";")[0].rstrip("\\ \n")


def _locked(files: list[Path]) -> list[str]:
    """Return `name==version` of every package of these locks that are parts of one resolution."""
    lines = [line for path in files if path.stem not in ALONE for line in path.open()]
    return sorted({_pin([line]) for line in lines if re.match(r"[a-z0-9]", line)})


def _kept_pins(part: str, upgrade: bool) -> list[str]:
    path = FOLDER / f"{part}.lock"
    return ["--constraint", str(path)] if path.exists() and not upgrade else []


def _check_cuda(everything: dict[str, Block], cuda: set[str]) -> None:
    """Refuse to set a package aside for torch's CUDA build that something else needs."""
    for name in sorted(cuda):
        text = "\n".join(everything[name])
        askers = set(re.findall(r"#(?: via|  ) +([a-z0-9-]+)", text)) - cuda - {"torch"}
        if askers:
            sys.exit(f"tools/lock.py: {name} is asked for by {', '.join(sorted(askers))}, too")


def _sizes(folder: Path, blocks: dict[str, Block]) -> dict[str, int]:
    """Return the bytes of each package's file for one machine, as uv writes them down."""
    pins = [_pin(block) for block in blocks.values()]
    # What they depend on is among them, or not wanted.
    alone = "".join(
        f'[[tool.uv.dependency-metadata]]\nname = "{name}"\nrequires-dist = []\n' for name in blocks
    )
    Path(folder, "pyproject.toml").write_text(
        f'[project]\nname = "weighed"\nversion = "0"\nrequires-python = "=={OLDEST_PYTHON}.*"\n'
        f"dependencies = {pins}\n[tool.uv]\n"
        "environments = [\"sys_platform == 'linux' and platform_machine == 'x86_64'\"]\n" + alone
    )
    command = [str(UV), "lock", "--quiet", "--no-python-downloads", "--project", str(folder)]
    if subprocess.run(command, check=False).returncode != 0:
        sys.exit("tools/lock.py: uv lock failed")
    sizes: dict[str, int] = {}
    for package in tomllib.loads(Path(folder, "uv.lock").read_text())["package"]:
        wheels = [
            wheel for wheel in package.get("wheels", []) if WEIGHED_WHEEL.search(wheel["url"])
        ]
        files = wheels or ([package["sdist"]] if "sdist" in package else [])
        if files:
            sizes[package["name"]] = max(file["size"] for file in files)
    return sizes


def _write_cpu_builds(pin: str, wheels: list[Path]) -> None:
    """Write the hashes of torch's CPU builds; without any, see that those of this version stand."""
    path = FOLDER / "torch-cpu.lock"
    if not wheels:
        if f"{pin}+cpu" not in path.read_text().split():
            sys.exit(f"tools/lock.py: {path} is not of {pin}: name its wheels with WHEELS=...")
        return
    lines = [f"{pin}+cpu"]
    for wheel in sorted(wheels):
        if not wheel.name.startswith(f"{pin.replace('==', '-')}+cpu-"):
            sys.exit(f"tools/lock.py: {wheel} is no CPU build of {pin}")
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines += [f"    --hash=sha256:{digest}"]
    names = "".join(f"# {wheel.name}\n" for wheel in sorted(wheels))
    size = max(wheel.stat().st_size for wheel in wheels) / 1e6
    path.write_text(
        f"# Made by tools/lock.py (`make lock WHEELS=...`), never by hand.\n"
        f"# 1 package, {size:.0f} MB to download\n{names}" + " \\\n".join(lines) + "\n"
    )


def _write(part: str, blocks: dict[str, Block], sizes: dict[str, int]) -> None:
    head = "# Made by tools/lock.py (`make lock`), never by hand.\n"
    if sizes:
        megabytes = sum(sizes.get(name, 0) for name in blocks) / 1e6
        packages = "package" if len(blocks) == 1 else "packages"
        head += f"# {len(blocks)} {packages}, {megabytes:.0f} MB to download ({WEIGHED})\n"
    lines = [line for name in sorted(blocks) for line in blocks[name]]
    (FOLDER / f"{part}.lock").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
