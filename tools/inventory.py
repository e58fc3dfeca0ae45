"""What .venv holds, from the metadata of the packages: no network.

    python tools/inventory.py weight      megabytes on disk, the heaviest packages first
    python tools/inventory.py licences    the licence that each package names

A package that is no longer in any lock counts, too: `make clean setup` starts from nothing.
"""

import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

SHOWN = 15  # the rest together is one line


def main() -> None:
    """Print what the command line asks for."""
    commands = {"weight": weight, "licences": licences}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit(f"usage: inventory.py {' | '.join(commands)}")
    packages = {found.name.lower(): found for found in distributions()}
    for line in commands[sys.argv[1]](packages):
        sys.stdout.write(line + "\n")


def weight(packages: dict[str, Distribution]) -> list[str]:
    """Return a line for each of the heaviest packages, one for the rest, one for all."""
    sizes = {name: size(found) for name, found in packages.items()}
    order = sorted(sizes, key=lambda name: (-sizes[name], name))
    rest = order[SHOWN:]
    rows = [(name, sizes[name]) for name in order[:SHOWN]]
    rows += [(f"{len(rest)} others", sum(sizes[name] for name in rest))] if rest else []
    rows.append((f"{len(order)} packages", sum(sizes.values())))
    return [f"{megabytes / 1e6:8.1f} MB  {name}" for name, megabytes in rows]


def size(package: Distribution) -> int:
    """Return the bytes of a package's files that are there; what Python compiled is not counted."""
    paths = (Path(str(file.locate())) for file in package.files or () if file.suffix != ".pyc")
    return sum(path.stat().st_size for path in paths if path.is_file())


def licences(packages: dict[str, Distribution]) -> list[str]:
    """Return a line for each package, by name."""
    return [
        f"{name} {packages[name].version}: {licence(packages[name])}" for name in sorted(packages)
    ]


def licence(package: Distribution) -> str:
    """Return the licence expression, or else what the classifiers or the old field say."""
    metadata = package.metadata
    if expression := metadata.get("License-Expression"):
        return expression
    classifiers = [
        line.split(" :: ")[-1]
        for line in metadata.get_all("Classifier") or ()
        if line.startswith("License ::") and line != "License :: OSI Approved"
    ]
    if classifiers:
        return "; ".join(sorted(classifiers))
    # The old field may hold the whole text of a licence.
    lines = (metadata.get("License") or "").strip().splitlines()
    return lines[0] if lines else "not named"


if __name__ == "__main__":
    main()
