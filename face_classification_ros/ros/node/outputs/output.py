"""Define what an output of the node is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from rclpy.lifecycle import Node
from rclpy.lifecycle.publisher import LifecyclePublisher
from rclpy.qos import QoSProfile

from face_classification_ros.pipeline import FacePipeline
from face_classification_ros.ros.conversions.qos import RESULTS
from face_classification_ros.ros.node.frame import FrameResult
from face_classification_ros.ros.node.parameters.node_config import NodeConfig
from face_classification_ros.types import Image


@dataclass(frozen=True, slots=True)
class OutputFrame:
    """Everything that an output may show of an image.

    Attributes:
        image: uint8 H x W x 3 in BGR.
        result: its faces.
        pipeline: that computed them.
        config: present configuration of the node.
    """

    image: Image
    result: FrameResult
    pipeline: FacePipeline
    config: NodeConfig


class Output:
    """Base of all outputs; it exists while the node is configured.

    An output publishes while the node is active, and does no work for topics without subscribers.
    """

    def __init__(self, node: Node) -> None:
        """Create the publishers."""
        self.node = node
        self._publishers: list[LifecyclePublisher] = []

    @property
    def topics(self) -> list[str]:
        """Full names of its topics."""
        return [each.topic_name for each in self._publishers]

    @classmethod
    def check(cls, pipeline: FacePipeline, config: NodeConfig) -> None:
        """Check whether this output works with models and a configuration.

        Raises:
            SettingError: a setting cannot have its value.
        """

    def publish(self, frame: OutputFrame) -> None:
        """Publish the faces of an image."""

    def update(self, pipeline: FacePipeline, config: NodeConfig) -> None:
        """Adapt to models and configuration, when the node becomes active and after changes."""

    def stop(self) -> None:
        """Publish that no images are processed any more."""

    def destroy(self) -> None:
        """Remove the publishers."""
        for publisher in self._publishers:
            self.node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()

    def create_publisher(
        self, message_type: type, topic: str, qos: QoSProfile = RESULTS
    ) -> LifecyclePublisher:
        """Create a publisher that is silent while the node is not active."""
        publisher = self.node.create_lifecycle_publisher(message_type, topic, qos)
        self._publishers.append(publisher)
        return publisher


class TopicOutput(Output, ABC):
    """An output with one topic and at most one message per image.

    Attributes:
        topic: its name.
        message_type: type of its messages.
    """

    topic: str
    message_type: type

    def __init__(self, node: Node) -> None:
        """Create the publisher."""
        super().__init__(node)
        self._publisher = self.create_publisher(self.message_type, self.topic)

    @abstractmethod
    def message(self, frame: OutputFrame) -> Any:
        """Return the message for an image, None if there is nothing to publish."""

    def publish(self, frame: OutputFrame) -> None:
        """Publish the message for an image if there are subscribers."""
        if self._publisher.get_subscription_count():
            message = self.message(frame)
            if message is not None:
                self._publisher.publish(message)
