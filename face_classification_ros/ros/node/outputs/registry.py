"""List all outputs, and create, use and destroy them together."""

from __future__ import annotations

import importlib

from rclpy.lifecycle import Node

from face_classification_ros.pipeline import FacePipeline
from face_classification_ros.ros.node.outputs.output import Output, OutputFrame
from face_classification_ros.ros.node.parameters.node_config import NodeConfig

OUTPUTS = (
    'faces:FacesOutput',
    'detections:DetectionsOutput',
    'detections_3d:Detections3DOutput',
    'markers:MarkersOutput',
    'image_annotations:ImageAnnotationsOutput',
    'face_frames:FaceFramesOutput',
    'label_info:LabelInfoOutput',
    'annotated_image:AnnotatedImageOutput',
    'explanation:ExplanationOutput',
    'hri:HriOutput',
)
"""Registry of the outputs: module in `outputs` and subclass of `Output` in it."""


def check_outputs(pipeline: FacePipeline, config: NodeConfig) -> None:
    """Check whether all outputs work with models and a configuration.

    Raises:
        SettingError: see `Output.check`.
    """
    for name in OUTPUTS:
        _load(name).check(pipeline, config)


class Outputs:
    """All outputs of a configured node."""

    def __init__(self, node: Node) -> None:
        """Create all outputs."""
        self._outputs = [_load(name)(node) for name in OUTPUTS]
        topics = ', '.join(topic for each in self._outputs for topic in each.topics)
        node.get_logger().info(f'publishes {topics}')

    def publish(self, frame: OutputFrame) -> None:
        """Publish the faces of an image in all ways."""
        for output in self._outputs:
            output.publish(frame)

    def update(self, pipeline: FacePipeline, config: NodeConfig) -> None:
        """Adapt all outputs to models and configuration."""
        for output in self._outputs:
            output.update(pipeline, config)

    def stop(self) -> None:
        """Publish that no images are processed any more."""
        for output in self._outputs:
            output.stop()

    def destroy(self) -> None:
        """Remove all outputs."""
        for output in self._outputs:
            output.destroy()


def _load(name: str) -> type[Output]:
    module, output = name.split(':')
    loaded = importlib.import_module(f'face_classification_ros.ros.node.outputs.{module}')
    created: type[Output] = getattr(loaded, output)
    return created
