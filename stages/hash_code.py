"""Hash the code behind each stage, so that a stage runs again when its own code changes."""

from augqa.code_hash import code_behind
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.stage import Input, Output, run


def hash_code(stages: Input, package: Input, plugins: Input, code: Output) -> str:
    """Write a file a script: the hash of each module that it imports, directly or not."""
    names = load_params().plugins
    scripts = sorted(path for path in stages.glob("*.py") if path.stem != "hash_code")
    for script in scripts:
        behind = code_behind(script, roots=[package.parent, plugins], plugins=names)
        write_metrics(code / f"{script.stem}.json", behind)
    return f"the code behind {len(scripts)} scripts"


if __name__ == "__main__":
    run(hash_code)
