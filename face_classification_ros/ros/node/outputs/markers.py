"""Publish faces as markers that rviz and Foxglove show in space."""

from __future__ import annotations

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Vector3
from rclpy.lifecycle import Node
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from face_classification_ros.ros.conversions.messages import point_message, quaternion_message
from face_classification_ros.ros.node.frame import FrameResult
from face_classification_ros.ros.node.outputs.output import Output, OutputFrame
from face_classification_ros.ros.node.parameters.node_config import NodeConfig
from face_classification_ros.types import Face
from face_classification_ros.visualization.annotation import estimate_text, face_color

FACE, LABEL, GAZE = 'face', 'label', 'gaze'
"""Namespaces of the markers: the sphere, the text, and the arrow where the head looks."""

EXTRA_LIFETIME = 1.0
"""Seconds after the end of a track until its markers vanish, also if the node has died."""

TEXT_HEIGHT = 0.08
"""Height of a capital letter in meters."""

OPACITY = 0.8

ARROW = Vector3(x=0.4, y=0.02, z=0.02)
"""Length, width and height of an arrow in meters."""


class MarkersOutput(Output):
    """Publishes `~/markers`, and deletes those of faces whose track has ended."""

    def __init__(self, node: Node) -> None:
        """Create the publisher."""
        super().__init__(node)
        self._publisher = self.create_publisher(MarkerArray, '~/markers')
        # Track id -> number of its markers, and stamp of the last image that shows it in space.
        self._numbers: dict[str, int] = {}
        self._last_seen: dict[str, float] = {}
        self._next = 0

    def publish(self, frame: OutputFrame) -> None:
        """Publish the faces of an image if there are subscribers."""
        if not self._publisher.get_subscription_count():
            # Their lifetime ends.
            self._numbers.clear()
            self._last_seen.clear()
            return
        result, timeout = frame.result, frame.config.track_timeout
        markers = []
        for index, message in enumerate(result.message.faces):
            if message.has_position:
                number = self._number(message.track_id)
                self._last_seen[message.track_id] = result.stamp
                markers += face_markers(result, index, number, frame.config)
        for track_id, last_seen in list(self._last_seen.items()):
            # Negative if time jumped back, which ends all tracks.
            if not 0 <= result.stamp - last_seen <= timeout:
                markers += self._deleted(track_id, result.position_header)
        if markers:
            self._publisher.publish(MarkerArray(markers=markers))

    def stop(self) -> None:
        """Delete all markers, since no images are processed any more."""
        header = Header(stamp=self.node.get_clock().now().to_msg())
        markers = [
            each for track in list(self._last_seen) for each in self._deleted(track, header)
        ]
        if markers:
            self._publisher.publish(MarkerArray(markers=markers))

    def _number(self, track_id: str) -> int:
        """Return the number of the markers of a track."""
        if track_id not in self._numbers:
            self._numbers[track_id] = self._next
            self._next = (self._next + 1) % 2**31
        return self._numbers[track_id]

    def _deleted(self, track_id: str, header: Header) -> list[Marker]:
        """Return the markers that delete those of a track, and forget it."""
        del self._last_seen[track_id]
        number = self._numbers.pop(track_id)
        return [_delete(namespace, number, header) for namespace in (FACE, LABEL, GAZE)]


def face_markers(result: FrameResult, index: int, number: int, config: NodeConfig) -> list[Marker]:
    """Return the markers of a face with a position.

    Args:
        result: faces of an image, and their transform.
        index: of the face.
        number: of its markers.
        config: of the node.
    """
    face, message, transform = result.faces[index], result.message.faces[index], result.transform
    assert face.size is not None and face.position is not None and transform is not None
    width, height = face.size
    sphere = _marker(result, face, number, config)
    sphere.ns, sphere.type = FACE, Marker.SPHERE
    sphere.scale = Vector3(x=width, y=width, z=width)
    sphere.pose.position = message.position

    text = _marker(result, face, number, config)
    text.ns, text.type = LABEL, Marker.TEXT_VIEW_FACING
    text.scale.z = TEXT_HEIGHT
    lines = [estimate_text(name, each) for name, each in face.attributes.items()]
    text.text = '\n'.join(lines or [f'face {face.detection.confidence:.0%}'])
    # Above the head, which is up in the image of an upright camera.
    x, y, z = face.position
    text.pose.position = point_message(transform.position((x, y - height, z)))

    if face.orientation is None:
        # It may have been known before.
        return [sphere, text, _delete(GAZE, number, result.position_header)]
    arrow = _marker(result, face, number, config)
    arrow.ns, arrow.type, arrow.scale = GAZE, Marker.ARROW, ARROW
    arrow.pose.position = message.position
    # An arrow points along x, which is forward in the frame of the head.
    arrow.pose.orientation = quaternion_message(transform.orientation(face.orientation))
    return [sphere, text, arrow]


def _marker(result: FrameResult, face: Face, number: int, config: NodeConfig) -> Marker:
    """Return what all markers of a face have in common."""
    blue, green, red = (each / 255 for each in face_color(face))
    return Marker(
        header=result.position_header,
        id=number,
        color=ColorRGBA(r=red, g=green, b=blue, a=OPACITY),
        lifetime=_duration(config.track_timeout + EXTRA_LIFETIME),
    )


def _delete(namespace: str, number: int, header: Header) -> Marker:
    return Marker(header=header, ns=namespace, id=number, action=Marker.DELETE)


def _duration(seconds: float) -> Duration:
    whole = int(seconds)
    return Duration(sec=whole, nanosec=round((seconds - whole) * 1e9))
