#!/usr/bin/env bash
# Make the environment of this checkout: setup.sh PYTHON VENV STAMP
# Called by `make setup`. Does nothing when lock, project file and Python are those of the stamp.
set -euo pipefail

python=$1 venv=$2 stamp=$3

if [ -z "$python" ]; then
    echo "mps: no Python of 3.11 to 3.13 with venv on the path; name one: make PYTHON=/path/to/python3.12" >&2
    exit 2
fi
if ! command -v "$python" >/dev/null 2>&1; then
    echo "mps: PYTHON=$python cannot be run; name a Python of 3.11 to 3.13" >&2
    exit 2
fi
# Inside an activated environment the name means that environment, which may be replaced below.
python=$("$python" -c 'import os, sys; print(os.path.realpath(sys.executable))')

wanted=$("$python" - "$PWD" requirements.lock pyproject.toml <<'PY'
import hashlib, pathlib, sys
if not (3, 11) <= sys.version_info[:2] < (3, 14):
    sys.exit(f"mps: PYTHON is {sys.version.split()[0]}; a Python of 3.11 to 3.13 is needed")
# The folder too: an environment has absolute paths and does not survive a move.
state = hashlib.sha256(f"{sys.argv[1]} {sys.version_info[:2]}".encode())
for name in sys.argv[2:]:
    state.update(pathlib.Path(name).read_bytes())
print(state.hexdigest())
PY
)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && exit 0

echo "mps: setting up $venv with $("$python" --version) (once; 3.3 GB on disk, some minutes)"
mkdir -p .cache
# A broken or foreign environment is replaced, a sound one is brought up to date.
if ! "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info[:2] != tuple(map(int, sys.argv[1].split("."))))' \
    "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" 2>/dev/null \
    || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
rm -f "$stamp"
"$venv/bin/python" -m pip install --quiet --progress-bar on --disable-pip-version-check \
    --require-hashes -r requirements.lock
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --no-deps --no-build-isolation --no-index -e .
echo "$wanted" > "$stamp"
