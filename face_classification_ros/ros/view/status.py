"""Describe the state of the node for the page: its diagnostics, with what to do about them."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

LEVELS = ('ok', 'warn', 'error', 'stale')

SILENCE = 3.0
"""Seconds without diagnostics, which come once a second, after which the node is missing."""

CURES = {
    'no_images_yet': 'Start the camera, and check that its topic is the one that the node '
    'subscribes to.',
    'no_images': 'Check the camera, its cable and its driver. The page continues by itself when '
    'images come again.',
    'malformed_images': 'Check encoding, size and step of the images that the camera driver '
    'publishes.',
    'lost_images': 'Use the Fast DDS profile of this package for the camera driver, too, or set '
    'image_reliability to reliable.',
    'low_rate': 'Reduce detection_size, increase detection_interval, or choose a faster detector.',
    'late': 'Reduce detection_size or the rate of the camera, and check that both machines have '
    'the same time.',
    'early': 'The clock of the camera is ahead: synchronize the clocks of both machines.',
    'no_stamps': 'The camera driver should set the stamps of its images.',
    'incompatible_qos': 'Set image_reliability to best_effort or auto.',
    'unconfigured': 'Configure and activate the node, or start it with autostart.',
    'inactive': 'Activate the node: ros2 lifecycle set NODE activate.',
    'disabled': 'Call the service ~/enable with true.',
    'finalized': 'The node was shut down: start it again.',
    'not_loaded': 'Configure the node; then it loads them.',
    'load_failed': 'Correct the parameter that the message names. face_classification doctor '
    'checks the installation.',
    'no_positions': 'Set use_depth, and check the topics depth and camera_info.',
    'no_transform': 'Check that TF connects the frame of the camera with the parameter '
    'target_frame, and that the clocks of both machines agree.',
    'name_conflict': 'Start one of the nodes in another namespace.',
}
"""Code of a status of the node -> what to do about it."""


def status_record(status: DiagnosticStatus, prefix: str) -> dict[str, Any]:
    """Return a status ready for JSON.

    Args:
        status: of a part of the node.
        prefix: name of the node and colon, with which the name of the status begins.
    """
    values = {each.key: each.value for each in status.values}
    codes = values.pop('code', 'ok').split(',')
    return {
        'part': status.name.removeprefix(prefix),
        # Any node may publish diagnostics, with any number.
        'level': LEVELS[min(status.level[0], len(LEVELS) - 1)],
        'codes': codes,
        'message': status.message,
        'cures': [CURES[code] for code in codes if code in CURES],
        'values': values,
        'source': status.hardware_id,
    }
