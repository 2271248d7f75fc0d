"""Compute which pixels of a face a prediction depends on."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.explanation import METHODS
from face_classification_ros.explanation.onnx_gradients import GradientGraph, LABEL
from face_classification_ros.inference.session import load_network, read_model


class Explainer:
    """Computes gradients of a model file's predictions or units with respect to the face.

    The graph of the model file is extended by its gradients and runs in ONNX Runtime.

    Attributes:
        attribute: whose prediction is explained.
        method: one of `METHODS`.
        layers: the convolutions in the order in which they run.
        layer: the one whose most active unit or maps are explained.
    """

    def __init__(
        self,
        classifier: Classifier,
        attribute: str,
        *,
        method: str = 'guided',
        layer: str = '',
        num_threads: int = 1,
    ) -> None:
        """Extend the graph of a model file by its gradients, and load it.

        Args:
            classifier: the loaded model file.
            attribute: one that it predicts.
            method: one of `METHODS`.
            layer: one of `layers`; "" is the last one, with Grad-CAM the one before, because the
                last one's maps are the labels themselves.
            num_threads: number of CPU threads per call.

        Raises:
            ValueError: attribute, method or layer is unknown, or the model file contains an
                operation whose gradient is not known.
        """
        if attribute not in classifier.labels:
            raise ValueError(
                f'{classifier.path} does not predict {attribute!r}; '
                f'expected {", ".join(classifier.labels)}'
            )
        if method not in METHODS:
            raise ValueError(f'unknown method {method!r}; expected {", ".join(METHODS)}')
        self.attribute, self.method = attribute, method
        try:
            content = read_model(classifier.path)
            graph = GradientGraph(content, attribute, guided=method == 'guided')
            self.layers = graph.layers
            is_cam = method == 'grad_cam'
            self.layer = layer or graph.layers[-2:][0 if is_cam else -1]
            from_label = graph.grad_cam(self.layer) if is_cam else graph.from_label()
            self._from_label = load_network(from_label, num_threads=num_threads)
            self._from_unit = None
            if not is_cam:
                self._from_unit = load_network(
                    graph.from_unit(self.layer), num_threads=num_threads
                )
        except ValueError as error:
            raise ValueError(f'{classifier.path} cannot be explained: {error}') from error
        except (LookupError, TypeError) as error:
            # Gradients are known for graphs as this package writes them; what another graph lacks
            # is found out on the way.
            reason = ' '.join(f'{type(error).__name__}: {error}'.split())
            raise ValueError(
                f'{classifier.path} cannot be explained: its graph is not supported ({reason})'
            ) from error

    def explain_unit(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the gradient of the layer's most active unit, as the paper shows in real time.

        Args:
            crops: uint8 N x H x W x C as the model file's input.

        Returns:
            The gradient with respect to the standardized face, float32 N x H x W x C.

        Raises:
            ValueError: the method is Grad-CAM, which explains labels only.
        """
        if self._from_unit is None:
            raise ValueError('grad_cam explains a label, not a unit')
        (gradient,) = self._from_unit.run(None, {'faces': crops})
        return np.asarray(gradient).transpose(0, 2, 3, 1)

    def explain_label(
        self, crops: NDArray[np.uint8], labels: Sequence[int]
    ) -> NDArray[np.float32]:
        """Return the gradient, or the map of Grad-CAM, of one label for each face.

        Args:
            crops: uint8 N x H x W x C as the model file's input.
            labels: N, indices in the order of the model file.

        Returns:
            The gradient of the logit with respect to the standardized face, float32
            N x H x W x C; for Grad-CAM its map, float32 N x H x W x 1, not negative.
        """
        inputs = {'faces': crops, LABEL: np.asarray(labels, np.int64)}
        (value,) = self._from_label.run(None, inputs)
        maps = np.asarray(value).transpose(0, 2, 3, 1)
        size = crops.shape[2], crops.shape[1]
        if maps.shape[1:3] == crops.shape[1:3]:
            return maps
        return np.stack([cv2.resize(each, size)[:, :, np.newaxis] for each in maps])
