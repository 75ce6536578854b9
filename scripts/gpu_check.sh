#!/bin/sh
# Check a device: parity with the CPU, every kind of training, resume, speed, memory. Under ten minutes on a GPU.
#
#   scripts/gpu_check.sh [--device cuda] [--quick] [--out gpu_check.json]
#
# It installs nothing: it runs the Python named by PYTHON, else .venv/bin/python, else python3.
# One line a check; exit 1 where one fails. The figures go to gpu_check.json.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
if [ -z "${PYTHON:-}" ]; then
    PYTHON=python3
    [ -x "$root/.venv/bin/python" ] && PYTHON="$root/.venv/bin/python"
fi
PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec "$PYTHON" "$root/scripts/gpu_check.py" "$@"
