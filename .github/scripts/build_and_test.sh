#!/bin/bash
# Build the package with colcon and run all of its tests.
#
#   build_and_test.sh WORKSPACE    WORKSPACE/src has the package; ROS_DISTRO is set, or ROS_SETUP
#                                  is the setup file of a ROS elsewhere
set -euo pipefail
cd "${1:?expected the folder of a workspace}"

source_setup() {
  # The setup files of ROS read variables that may not be set.
  set +u
  # shellcheck disable=SC1090
  source "$1"
  set -u
}

source_setup "${ROS_SETUP:-/opt/ros/${ROS_DISTRO:?is not set}/setup.bash}"
colcon build --event-handlers console_cohesion+
source_setup install/setup.bash
# Most tests wait for processes, so several run at a time.
PYTEST_ADDOPTS='--numprocesses 4 --dist loadfile' colcon test --event-handlers console_cohesion+
colcon test-result --verbose
