#!/usr/bin/env bash
# Solve the locks again: lock.sh UV [OPTIONS of uv pip compile]. Called by `make lock`.
set -euo pipefail

uv=$1
shift
options=(--universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --quiet)

# Every line would carry a marker that says no more than requires-python in pyproject.toml.
strip_marker() {
    sed -i.old "s/ ; python_full_version < '3.14' and sys_platform != 'emscripten' and sys_platform != 'win32'//" "$1"
    rm -f "$1.old"
}

"$uv" pip compile pyproject.toml --all-extras --python-version 3.11 "${options[@]}" \
    --output-file requirements.lock "$@"
strip_marker requirements.lock

# The image holds no embedded parts and no tests: a third of the size. Its versions are those that were tested.
"$uv" pip compile pyproject.toml deploy/images/requirements.in --extra train --extra lake --python-version 3.12 "${options[@]}" \
    --constraint requirements.lock --output-file deploy/images/requirements.lock
strip_marker deploy/images/requirements.lock

if grep -q "://" requirements.lock deploy/images/requirements.lock; then
    echo "mps: a lock names an index; unset the index of uv and pip, and try again" >&2
    exit 1
fi
