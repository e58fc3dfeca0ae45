"""The tests. augqa comes first: it sets what the libraries read when they are imported."""

import augqa  # noqa: F401
