"""Publish faces as REP-155 (ROS4HRI) defines them: a list of ids, and topics for each face.

https://www.ros.org/reps/rep-0155.html, with the messages of hri_msgs 2 (Humble and later). Several
nodes may publish at the same time: ids are unique, and each publishes the list of all faces.
"""

from __future__ import annotations

import time
import uuid

from geometry_msgs.msg import Transform, TransformStamped, Vector3
from rclpy.lifecycle import Node
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from face_classification_ros.config import SettingError
from face_classification_ros.pipeline import FacePipeline
from face_classification_ros.ros.conversions.messages import quaternion_message
from face_classification_ros.ros.conversions.qos import RESULTS
from face_classification_ros.ros.node.outputs.face_frames import FRAMES_QOS, FRAMES_TOPIC
from face_classification_ros.ros.node.outputs.hri_face import FaceTopics, NAMESPACE
from face_classification_ros.ros.node.outputs.output import Output, OutputFrame
from face_classification_ros.ros.node.parameters.node_config import NodeConfig
from face_classification_ros.types import Face, Quaternion

GAZE: Quaternion = (-0.5, 0.5, -0.5, 0.5)
"""From the axes of a head (forward, left, up) to optical ones (right, down, forward)."""

GRAPH_PERIOD = 1.0
"""Seconds after which the graph is asked again for the faces of other nodes."""


class HriOutput(Output):
    """Publishes the topics of REP-155 while `publish_hri` is set."""

    def __init__(self, node: Node) -> None:
        """Create no topics yet."""
        super().__init__(node)
        self._humans: _Humans | None = None

    @classmethod
    def check(cls, pipeline: FacePipeline, config: NodeConfig) -> None:
        """Check whether the messages are installed if the topics are to be published.

        Raises:
            SettingError: hri_msgs is not installed.
        """
        if not config.publish_hri:
            return
        try:
            import hri_msgs.msg  # noqa: F401
        except ImportError as error:
            raise SettingError('publish_hri', f'requires the package hri_msgs: {error}') from error

    def publish(self, frame: OutputFrame) -> None:
        """Publish the faces of an image."""
        if frame.config.publish_hri:
            self._humans = self._humans or _Humans(self.node)
            self._humans.publish(frame)

    def update(self, pipeline: FacePipeline, config: NodeConfig) -> None:
        """Remove the topics if they are switched off."""
        if not config.publish_hri:
            self.stop()

    def stop(self) -> None:
        """Publish that no face is tracked any more, and remove all topics."""
        if self._humans is not None:
            self._humans.destroy()
            self._humans = None


class _Humans:
    """Publishes faces below `/humans/faces`, each on topics that last as long as its track."""

    def __init__(self, node: Node) -> None:
        """Create the list of faces, and the frames."""
        from hri_msgs.msg import IdsList

        self._node = node
        self._list_type = IdsList
        # Unique among all nodes that publish faces, and short as the standard recommends. A part
        # of a topic name must not start with a digit.
        self._prefix = f'f{uuid.uuid4().hex[:5]}_'
        self._tracked = node.create_publisher(IdsList, f'{NAMESPACE}/tracked', RESULTS)
        self._frames = node.create_publisher(TFMessage, FRAMES_TOPIC, FRAMES_QOS)
        self._faces: dict[str, FaceTopics] = {}
        self._others: list[str] = []
        self._others_end = 0.0

    def destroy(self) -> None:
        """Publish a list without our faces, and remove all topics."""
        header = Header(stamp=self._node.get_clock().now().to_msg())
        for topics in self._faces.values():
            topics.destroy()
        self._tracked.publish(self._list_type(header=header, ids=self._ids_of_others()))
        self._node.destroy_publisher(self._tracked)
        self._node.destroy_publisher(self._frames)

    def publish(self, frame: OutputFrame) -> None:
        """Publish the faces of an image.

        A face that was not found in this image stays in the list until its track ends.
        """
        faces, stamp = frame.result.faces, frame.result.stamp
        for face in faces:
            name = self._id(face)
            if name not in self._faces:
                self._faces[name] = FaceTopics(self._node, name)
            self._faces[name].last_seen = stamp
        for name, topics in list(self._faces.items()):
            # Negative if time jumped back, which ends all tracks.
            if not 0 <= stamp - topics.last_seen <= frame.config.track_timeout:
                self._faces.pop(name).destroy()
        if self._tracked.get_subscription_count():
            if time.monotonic() >= self._others_end:
                self._others = self._ids_of_others()
                self._others_end = time.monotonic() + GRAPH_PERIOD
            ids = [*self._faces, *self._others]
            self._tracked.publish(self._list_type(header=frame.result.header, ids=ids))
        for face in faces:
            self._faces[self._id(face)].publish(face, frame)
        header = frame.result.header
        if header.frame_id and self._frames.get_subscription_count():
            frames = [each for face in faces for each in face_frames(face, self._id(face), header)]
            if frames:
                self._frames.publish(TFMessage(transforms=frames))

    def _id(self, face: Face) -> str:
        return self._prefix + face.track_id

    def _ids_of_others(self) -> list[str]:
        """Return the faces of other nodes, which have the required topic `roi`.

        Subscribers take each list as that of all faces, so every node must publish all of them.
        """
        names = []
        for topic, _ in self._node.get_topic_names_and_types():
            name = topic.removeprefix(f'{NAMESPACE}/').removesuffix('/roi')
            is_face = topic == f'{NAMESPACE}/{name}/roi' and not name.startswith(self._prefix)
            # Subscribers keep the name of a topic whose publisher is gone.
            if is_face and self._node.count_publishers(topic):
                names.append(name)
        return sorted(names)


def face_frames(face: Face, name: str, header: Header) -> list[TransformStamped]:
    """Return the frames `face_<id>` and `gaze_<id>` of a face, none if its pose is unknown.

    The first is a child of the frame of the image, with its origin between the eyes: at the
    distance of the position if that is known, else as far away as an average head would be. The
    second is at the same place; its z axis points where the head does.

    Args:
        face: with the pose of its head.
        name: its id.
        header: of the image.
    """
    if face.orientation is None or face.head_position is None:
        return []
    x, y, z = face.head_position
    scale = face.position[2] / z if face.position is not None else 1.0
    place = Vector3(x=x * scale, y=y * scale, z=z * scale)
    gaze_header = Header(stamp=header.stamp, frame_id=f'face_{name}')
    return [
        TransformStamped(
            header=header,
            child_frame_id=f'face_{name}',
            transform=Transform(translation=place, rotation=quaternion_message(face.orientation)),
        ),
        TransformStamped(
            header=gaze_header,
            child_frame_id=f'gaze_{name}',
            transform=Transform(rotation=quaternion_message(GAZE)),
        ),
    ]
