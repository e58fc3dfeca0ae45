"""`ray start` that waits for its node as long as a busy machine takes: Ray itself waits for 30 s.

python -m tests.ray_start start OPTION ...
"""

import time
from typing import Any

from ray._private import services
from ray.scripts.scripts import main

_LONGEST_S = 240.0
_get_node = services.get_node


def patient(*arguments: Any, **named: Any) -> Any:
    """Return what the cluster knows of a node, once it knows it."""
    until = time.monotonic() + _LONGEST_S
    while True:
        try:
            return _get_node(*arguments, **named)
        except RuntimeError:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)


if __name__ == "__main__":
    services.get_node = patient
    main()
