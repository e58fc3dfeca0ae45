"""Kill the whole pipeline at random moments, and see what is left: ``python -m tests.soak``."""
