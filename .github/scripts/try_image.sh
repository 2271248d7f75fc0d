#!/bin/bash
# Build the image of the Dockerfile, and check the installation in it, its detector and its models.
#
#   try_image.sh DISTRIBUTION    such as jazzy or lyrical
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tag=face_classification_ros:${1:?expected a distribution such as jazzy}

docker build --build-arg "ROS_DISTRO=$1" --tag "$tag" .
docker run --rm --network none --shm-size 512m "$tag" \
  ros2 run face_classification_ros face_classification doctor
