"""Hand a finished pipeline on over servers, as a team does: ``python -m tests.remote``."""
