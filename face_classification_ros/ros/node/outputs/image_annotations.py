"""Publish boxes and texts that Foxglove draws over the images of the camera."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from rclpy.lifecycle import Node

from face_classification_ros.ros.node.outputs.output import Output, OutputFrame
from face_classification_ros.types import Face
from face_classification_ros.visualization.annotation import estimate_text, face_color

THICKNESS = 2.0
"""Width of the line of a box in pixels."""

FONT_SIZE = 14.0
"""Height of the text in pixels."""


class ImageAnnotationsOutput(Output):
    """Publishes `~/image_annotations` where foxglove_msgs is installed.

    A few kB per second, where annotated images take megabytes.
    """

    def __init__(self, node: Node) -> None:
        """Create the publisher if its messages are installed."""
        super().__init__(node)
        self._messages: Any = None
        if importlib.util.find_spec('foxglove_msgs') is not None:
            self._messages = importlib.import_module('foxglove_msgs.msg')
            self._publisher = self.create_publisher(
                self._messages.ImageAnnotations, '~/image_annotations'
            )

    def publish(self, frame: OutputFrame) -> None:
        """Publish the annotations of an image if there are subscribers."""
        if self._messages is None or not self._publisher.get_subscription_count():
            return
        stamp = frame.result.header.stamp
        message = self._messages.ImageAnnotations()
        for face in frame.result.faces:
            message.points.append(self._box(face, stamp))
            message.texts.append(self._text(face, stamp))
        self._publisher.publish(message)

    def _box(self, face: Face, stamp: Any) -> Any:
        points = self._messages.PointsAnnotation
        box = face.detection.box
        corners = (
            (box.x, box.y),
            (box.x + box.width, box.y),
            (box.x + box.width, box.y + box.height),
            (box.x, box.y + box.height),
        )
        return points(
            timestamp=stamp,
            type=points.LINE_LOOP,
            points=[self._point(x, y) for x, y in corners],
            outline_color=self._color(face),
            thickness=THICKNESS,
        )

    def _text(self, face: Face, stamp: Any) -> Any:
        """Return one line of text above the box."""
        box = face.detection.box
        estimates = [estimate_text(name, each) for name, each in face.attributes.items()]
        return self._messages.TextAnnotation(
            timestamp=stamp,
            position=self._point(box.x, box.y - THICKNESS),
            text=' '.join([f'#{face.track_id}', *estimates]),
            font_size=FONT_SIZE,
            text_color=self._color(face),
            background_color=self._messages.Color(a=0.6),
        )

    def _point(self, x: float, y: float) -> Any:
        return self._messages.Point2(x=float(x), y=float(y))

    def _color(self, face: Face) -> Any:
        blue, green, red = (each / 255 for each in face_color(face))
        return self._messages.Color(r=red, g=green, b=blue, a=1.0)
