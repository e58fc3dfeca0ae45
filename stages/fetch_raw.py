"""Bring the raw SQuAD-format files, untouched and checksummed."""

from augqa.errors import DataError
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.sources import REQUIRED_SETS, SETS, copy_set, fetch_hub, find_set, sha256
from augqa.stage import Input, Output, project_root, run


def fetch_raw(sample: Input, raw: Output) -> str:
    """Copy or download every set that is to be had; name those that are not."""
    params = load_params().data
    external = project_root() / "data" / "external"
    not_available = []
    for name in SETS:
        copy = raw / f"{name}.json"
        if params.source == "hub":
            hub = getattr(params.hub, name)
            fetch_hub(hub.path, hub.config, hub.split, hub.revision, copy)
            continue
        if params.source == "sample":
            origin, expected_sha256 = find_set(sample, name), None
        else:
            file = getattr(params.files, name)
            path = external / file.name
            origin, expected_sha256 = (path if path.is_file() else None), file.sha256
        if origin is not None:
            copy_set(origin, copy, expected_sha256=expected_sha256)
        elif name in REQUIRED_SETS:
            where = sample if params.source == "sample" else external
            raise DataError(
                f"{where}: no file for set {name}. `make data FROM=DIR` brings SQuAD-format files"
                " there, or set data.source to sample."
            )
        else:
            not_available.append(name)

    found = {path.stem: path for path in sorted(raw.glob("*.json"))}
    manifest = {
        "source": params.source,
        "not_available": not_available,
        "sets": {
            name: {"sha256": sha256(path), "n_bytes": path.stat().st_size}
            for name, path in found.items()
        },
    }
    write_metrics(raw / "manifest.json", manifest)
    missing = f"; not available: {', '.join(not_available)}" if not_available else ""
    return f"{len(found)} sets from {params.source}{missing}"


if __name__ == "__main__":
    run(fetch_raw)
