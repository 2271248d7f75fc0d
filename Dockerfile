# The node for the computer of a robot, amd64 or arm64; see docs/how_to/docker.md.
ARG ROS_DISTRO=jazzy
FROM ros:${ROS_DISTRO} AS build
ARG ROS_DISTRO
WORKDIR /workspace
# What is installed depends on package.xml alone, so that an edit of the code keeps this layer.
COPY package.xml src/face_classification_ros/
# Ubuntu protects its Python from pip; an image has no other user of it.
ENV PIP_BREAK_SYSTEM_PACKAGES=1
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-av python3-pip \
    && rosdep update --rosdistro "$ROS_DISTRO" \
    && rosdep install --from-paths src --ignore-src --default-yes --dependency-types exec \
         --dependency-types build --dependency-types buildtool \
    && rm -rf /var/lib/apt/lists/*
COPY . src/face_classification_ros
RUN . "/opt/ros/$ROS_DISTRO/setup.sh" \
    && colcon build --merge-install --install-base /opt/face_classification_ros \
         --cmake-args -DBUILD_TESTING=OFF -DCMAKE_BUILD_TYPE=Release \
    && rm -rf /workspace

WORKDIR /
# The user of the ROS images; nothing needs root.
USER ubuntu
# The entry point of the ROS images sources the distribution. Fast DDS reads the profile for large
# images from a variable whose name is another one since Kilted.
ENTRYPOINT ["/ros_entrypoint.sh", "bash", "-c", "source /opt/face_classification_ros/setup.bash && case $ROS_DISTRO in jazzy) name=FASTRTPS_DEFAULT_PROFILES_FILE ;; *) name=FASTDDS_DEFAULT_PROFILES_FILE ;; esac && export $name=\"${!name:-/opt/face_classification_ros/share/face_classification_ros/config/fastdds_large_images.xml}\" && exec \"$@\"", "--"]
CMD ["ros2", "launch", "face_classification_ros", "face_classification.launch.py"]
