"""Feed what reads foreign files with many made-up ones: ``python -m tests.fuzz.llm_files``.

The test suite runs the same properties on a few hundred; this one on 10,000 each by default.
"""

import argparse
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from tests.test_llm_batch_results import check, contents
from tests.test_llm_sharing import check_import, files


def main() -> None:
    """Run both; an example that breaks a promise is made small and shown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=10_000)
    often = settings(
        max_examples=parser.parse_args().examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    counts: Counter[str] = Counter()
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # no disk is waited for

    @often
    @given(contents)
    def results(content: bytes) -> None:
        check(content)
        counts["results files"] += 1

    @often
    @given(files)
    def imports(content: bytes) -> None:
        with tempfile.TemporaryDirectory(dir=memory) as folder:
            taken = check_import(content, Path(folder))
        counts["imports taken" if taken else "imports refused"] += 1

    results()
    imports()
    print(dict(counts))


if __name__ == "__main__":
    main()
