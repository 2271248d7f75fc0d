"""What the network looked at in a face, as a picture, for the topic of explanations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from rclpy.impl.rcutils_logger import RcutilsLogger

from face_classification_ros.pipeline import FacePipeline
from face_classification_ros.ros.node.parameters import NodeConfig
from face_classification_ros.types import Face, Image

if TYPE_CHECKING:
    from face_classification_ros.explanation.explainer import Explainer


class ExplanationOutput:
    """Explains one face of a picture; what that needs is loaded by the first that is asked for."""

    def __init__(self, logger: RcutilsLogger) -> None:
        """Load nothing yet; `logger` is told once why nothing can be explained."""
        self._logger = logger
        self._explainer: Explainer | None = None
        self._is_tried = False

    def forget(self) -> None:
        """Free the memory; what explains is loaded anew when it is needed next."""
        self._explainer, self._is_tried = None, False

    def panel(
        self, image: Image, faces: Sequence[Face], pipeline: FacePipeline, parameters: NodeConfig
    ) -> Image | None:
        """Show what was looked at in the largest face, or in the chosen one.

        Args:
            image: uint8 H x W x 3 in BGR.
            faces: those that were found in it, largest first.
            pipeline: what found them.
            parameters: of the node.

        Returns:
            uint8 H x W x 3 in BGR; None where there is no such face, or nothing that explains.
        """
        chosen = parameters.explanation_track
        shown = [face for face in faces if not chosen or face.track_id == chosen]
        explainer = self._loaded(pipeline, parameters) if shown else None
        if explainer is None:
            return None
        # A node that explains nothing stays light.
        from face_classification_ros.explanation.panels import explain_faces

        estimate = shown[0].attributes[explainer.attribute]
        input_spec = pipeline.classifiers[explainer.attribute].input_spec
        (panel,) = explain_faces(
            pipeline.crop(image, shown[:1], input_spec),
            estimate.labels,
            estimate.frame_probabilities[np.newaxis],
            explainer,
        )
        return panel

    def _loaded(self, pipeline: FacePipeline, parameters: NodeConfig) -> Explainer | None:
        if self._is_tried:
            return self._explainer
        self._is_tried = True
        attribute = parameters.explanation_attribute or max(
            pipeline.classifiers,
            key=lambda name: len(pipeline.classifiers[name].labels[name]),
            default='',
        )
        classifier = pipeline.classifiers.get(attribute)
        try:
            if classifier is None:
                raise ValueError(f'{attribute} is switched off')
            from face_classification_ros.explanation.explainer import Explainer

            self._explainer = Explainer(
                classifier,
                attribute,
                method=parameters.explanation_method,
                num_threads=parameters.num_threads,
            )
        except (ImportError, ValueError) as error:
            self._logger.error(f'nothing is explained: {error}')
        return self._explainer
