"""The checks that need no ROS, in the order in which they run."""

from face_classification_ros.doctor import dds, models, packages
from face_classification_ros.doctor.findings import Check

NETWORK_LIBRARIES = ('numpy', 'cv2', 'onnxruntime')
"""What detectors and classifiers import."""

CHECKS = (
    Check('Python', packages.check_python),
    Check('libraries', packages.check_libraries),
    Check('package', packages.check_installation),
    Check('videos', packages.check_videos),
    Check('extras', packages.check_extras),
    Check('DDS profile', dds.check_profile),
    Check('shared memory', dds.check_shared_memory),
    Check('socket buffers', dds.check_socket_buffers),
    Check('detector', models.check_detector, NETWORK_LIBRARIES),
    Check('models', models.check_models, NETWORK_LIBRARIES),
)
