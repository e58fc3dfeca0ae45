#!/bin/sh
# Find a Python that augqa runs on, then let tools/install.py set up .venv with it.
#   tools/setup.sh [PART ...]        parts besides the base: test, bench, ray, sentencepiece
# PYTHON names the Python to take; without it, that of .venv goes on, or else the first that fits.
set -u
cd "$(dirname "$0")/.." || exit 1

fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

if [ -n "${PYTHON:-}" ]; then
  if ! command -v "$PYTHON" >/dev/null; then
    echo "augqa: PYTHON=$PYTHON: there is no such program" >&2
    exit 1
  fi
  candidates=$PYTHON
else
  candidates='.venv/bin/python python3 python3.13 python3.12 python3.11'
fi

for python in $candidates; do
  if "$python" -c "$fits" 2>/dev/null; then
    exec "$python" tools/install.py "$@"
  fi
done

found=$("${PYTHON:-python3}" --version 2>&1) || found='no python3'
echo "augqa: Python 3.11, 3.12 or 3.13 is needed, found: $found." \
  'Install one, or name one: make demo PYTHON=/path/to/python3.12' >&2
exit 1
