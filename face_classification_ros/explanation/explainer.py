"""Tell which pixels of a face an answer rests on."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
import onnx

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.explanation import METHODS
from face_classification_ros.explanation.onnx_gradients import BackwardGraph, LABEL
from face_classification_ros.inference.session import load_network, read_model


class Explainer:
    """Goes back through a model file, from an answer or a unit to the pixels.

    Works without TensorFlow: the way back is added to the model file's graph.

    Attributes:
        attribute: whose answer is explained.
        method: one of `METHODS`.
        layers: the convolutions, in the order in which a face goes through them.
        layer: the one that is looked at.
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
        """Add the way back to the graph of a model file.

        Args:
            classifier: a model file, loaded.
            attribute: one that it tells.
            method: one of `METHODS`.
            layer: one of `layers`; "" is the last one, and with Grad-CAM the one before, as the
                last one's maps are the labels themselves.
            num_threads: processor threads for one call.

        Raises:
            ValueError: attribute, method or layer have no such name, or the model file holds an
                operation that there is no way back through.
        """
        if attribute not in classifier.labels:
            raise ValueError(
                f'{classifier.path} does not tell {attribute}, but {", ".join(classifier.labels)}'
            )
        if method not in METHODS:
            raise ValueError(f'unknown method {method!r}; there are: {", ".join(METHODS)}')
        self.attribute, self.method = attribute, method
        try:
            model = onnx.load_model_from_string(read_model(classifier.path))
            graph = BackwardGraph(model, attribute, guided=method == 'guided')
            self.layers = graph.layers
            is_cam = method == 'grad_cam'
            self.layer = layer or graph.layers[-2:][0 if is_cam else -1]
            from_label = graph.grad_cam(self.layer) if is_cam else graph.from_label()
            self._from_label = load_network(
                from_label.SerializeToString(), num_threads=num_threads
            )
            self._from_unit = None
            if not is_cam:
                from_unit = graph.from_unit(self.layer).SerializeToString()
                self._from_unit = load_network(from_unit, num_threads=num_threads)
        except ValueError as error:
            raise ValueError(f'{classifier.path} cannot be explained: {error}') from error
        except (LookupError, TypeError, onnx.shape_inference.InferenceError) as error:
            # The way back is made for graphs of one form; what a foreign one lacks shows where it
            # is looked for.
            reason = ' '.join(f'{type(error).__name__}: {error}'.split())
            raise ValueError(
                f'{classifier.path} cannot be explained: its graph has another form ({reason})'
            ) from error

    def explain_unit(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Explain the most active unit of the layer, as the paper does in real time.

        Args:
            crops: uint8 N x H x W x C, as the model file wants them.

        Returns:
            The gradient by the standardized face, float32 N x H x W x C.

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
        """Explain the score of a label for each face.

        Args:
            crops: uint8 N x H x W x C, as the model file wants them.
            labels: N, indices in the order of the model file.

        Returns:
            The gradient by the standardized face, float32 N x H x W x C; with Grad-CAM its map,
            float32 N x H x W x 1, 0 and above.
        """
        inputs = {'faces': crops, LABEL: np.asarray(labels, np.int64)}
        (value,) = self._from_label.run(None, inputs)
        maps = np.asarray(value).transpose(0, 2, 3, 1)
        size = crops.shape[2], crops.shape[1]
        if maps.shape[1:3] == crops.shape[1:3]:
            return maps
        return np.stack([cv2.resize(each, size)[:, :, np.newaxis] for each in maps])
