"""The command line, `augqa`: one module a theme; augqa.__main__ puts them together."""
