"""Publish an explanation of the prediction for one face."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rclpy.lifecycle import Node
from sensor_msgs.msg import Image as ImageMessage

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.config import SettingError
from face_classification_ros.explanation import default_attribute
from face_classification_ros.pipeline import FacePipeline
from face_classification_ros.ros.conversions.images import image_to_message
from face_classification_ros.ros.node.outputs.output import OutputFrame, TopicOutput
from face_classification_ros.ros.node.parameters.node_config import NodeConfig

if TYPE_CHECKING:
    from face_classification_ros.explanation.explainer import Explainer

_Key = tuple[Classifier, str, str]
"""What an explainer is loaded for: classifier, attribute and method."""


class ExplanationOutput(TopicOutput):
    """Publishes `~/explanation` of the largest face, or of `explanation_track`.

    The explainer is loaded for the first subscriber.
    """

    topic = '~/explanation'
    message_type = ImageMessage

    def __init__(self, node: Node) -> None:
        """Create the publisher."""
        super().__init__(node)
        self._key: _Key | None = None
        self._explainer: Explainer | None = None

    @classmethod
    def check(cls, pipeline: FacePipeline, config: NodeConfig) -> None:
        """Check whether the models estimate the attribute to explain.

        Raises:
            SettingError: they do not.
        """
        _explained_attribute(pipeline, config)

    def update(self, pipeline: FacePipeline, config: NodeConfig) -> None:
        """Free the explainer if it does not fit any more."""
        if _key(pipeline, config) != self._key:
            self._key = self._explainer = None

    def message(self, frame: OutputFrame) -> ImageMessage | None:
        """Return the explanation; None without such a face, or if it cannot be explained."""
        config, pipeline = frame.config, frame.pipeline
        if config.blur_faces:
            return None
        track = config.explanation_track
        faces = [each for each in frame.result.faces if not track or each.track_id == track]
        explainer = self._loaded(pipeline, config) if faces else None
        if explainer is None:
            return None
        # Imported only if necessary, so that other nodes remain small.
        from face_classification_ros.explanation.panels import explain_faces

        estimate = faces[0].attributes[explainer.attribute]
        input_spec = pipeline.classifiers[explainer.attribute].input_spec
        (panel,) = explain_faces(
            pipeline.crop(frame.image, faces[:1], input_spec),
            estimate.labels,
            estimate.frame_probabilities[np.newaxis],
            explainer,
        )
        return image_to_message(panel, frame.result.header)

    def _loaded(self, pipeline: FacePipeline, config: NodeConfig) -> Explainer | None:
        key = _key(pipeline, config)
        if key is None or key == self._key:
            return self._explainer
        # Also if it fails, so that it is tried and logged once.
        self._key = key
        classifier, attribute, method = key
        try:
            from face_classification_ros.explanation.explainer import Explainer

            self._explainer = Explainer(
                classifier, attribute, method=method, num_threads=config.num_threads
            )
        except (ImportError, ValueError) as error:
            self.node.get_logger().error(f'no explanations: {error}')
        return self._explainer


def _explained_attribute(pipeline: FacePipeline, config: NodeConfig) -> str:
    """Return the attribute that is explained, "" if the models estimate none.

    Raises:
        SettingError: no model estimates `explanation_attribute`.
    """
    chosen, classifiers = config.explanation_attribute, pipeline.classifiers
    if chosen and chosen not in classifiers:
        available = ', '.join(classifiers) or 'none'
        raise SettingError(
            'explanation_attribute', f'no model estimates {chosen!r}; available: {available}'
        )
    return chosen or default_attribute(
        {name: each.labels[name] for name, each in classifiers.items()}
    )


def _key(pipeline: FacePipeline, config: NodeConfig) -> _Key | None:
    attribute = _explained_attribute(pipeline, config)
    if not attribute:
        return None
    return pipeline.classifiers[attribute], attribute, config.explanation_method
