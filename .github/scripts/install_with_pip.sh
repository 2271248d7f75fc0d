#!/bin/bash
# Install the package with ROS wheels into a new environment, and run the demo in it.
#
#   install_with_pip.sh DISTRIBUTION    jazzy or kilted; PYTHON=python3.13 for another Python
set -euo pipefail
distribution=${1:?expected jazzy or kilted}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=$(mktemp --directory)
trap 'rm -rf "$folder"' EXIT

# Variables of a ROS that is sourced already.
unset AMENT_PREFIX_PATH CMAKE_PREFIX_PATH LD_LIBRARY_PATH PYTHONPATH ROS_DISTRO
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE
export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST

"${PYTHON:-python3}" "$root/wheel/sources_for.py" "$distribution" "$folder/sources"
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "$folder/sources[demo]"
cd "$folder"
"$folder/venv/bin/python" -m pip check
"$folder/venv/bin/face_classification" --version
"$folder/venv/bin/face_classification" demo --seconds 10 --output "$folder/demo"
test -s "$folder/demo/faces.json"
