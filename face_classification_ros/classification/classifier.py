"""Run a model file: crops go in, a probability distribution per attribute comes out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.classification.cropping import CropForm
from face_classification_ros.inference import load_network

INPUT = 'faces'
ATTRIBUTES = ('gender', 'emotion')


class Classifier:
    """A model file, loaded and ready.

    A model file is one ONNX file that knows all that is needed to run it: input `faces`, uint8
    N x H x W x C, an output of probabilities float32 N x labels per attribute, and in its
    metadata `labels` (JSON: attribute -> list of labels), `colour` and `margin`. Nothing about
    preprocessing can be configured, so nothing can be configured wrong.

    Attributes:
        path: the file.
        labels: attribute -> its labels in the order of the output.
        form: what crops the network wants.
        properties: all metadata of the file: recipe, data, figures, licence.
    """

    def __init__(self, path: str | Path, *, threads: int = 1) -> None:
        """Load a model file.

        Args:
            path: the file.
            threads: processor threads for one call.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is no ONNX file, or one that was not made for this package.
        """
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f'model file {self.path} does not exist')
        try:
            self._session = load_network(self.path, threads=threads)
        except ValueError as error:
            raise ValueError(
                f'model file {self.path} is not a usable ONNX file: {error}'
            ) from error
        self.properties: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self.labels = self._read_labels()
        self.form = self._read_form()

    def classify(self, crops: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Classify all crops in one call.

        Args:
            crops: uint8 N x side x side x channels as `form` says.

        Returns:
            Attribute -> float32 N x labels, rows of sum 1.
        """
        names = list(self.labels)
        return dict(zip(names, self._session.run(names, {INPUT: crops}), strict=True))

    def _read_labels(self) -> dict[str, tuple[str, ...]]:
        if 'labels' not in self.properties:
            raise self._foreign('its metadata has no labels')
        try:
            content = json.loads(self.properties['labels'])
            labels = {attribute: tuple(map(str, names)) for attribute, names in content.items()}
        except (ValueError, AttributeError, TypeError) as error:
            raise self._foreign('its labels are not a JSON object of lists') from error
        outputs = {output.name: output.shape for output in self._session.get_outputs()}
        if not labels:
            raise self._foreign('its metadata has no labels')
        for attribute, names in labels.items():
            if attribute not in ATTRIBUTES:
                raise self._foreign(f'{attribute!r} is none of {", ".join(ATTRIBUTES)}')
            if attribute not in outputs or outputs[attribute][-1:] != [len(names)]:
                raise self._foreign(f'no output {attribute!r} with {len(names)} probabilities')
        return labels

    def _read_form(self) -> CropForm:
        inputs = self._session.get_inputs()
        shape = inputs[0].shape
        if len(inputs) != 1 or inputs[0].name != INPUT or inputs[0].type != 'tensor(uint8)':
            raise self._foreign(f'it has not the one input {INPUT!r} of type uint8')
        colour = self.properties.get('colour', '')
        channels = {'grey': 1, 'bgr': 3}.get(colour)
        is_square = len(shape) == 4 and isinstance(shape[1], int) and shape[1] == shape[2]
        if not is_square or shape[3] != channels:
            raise self._foreign(f'its input {shape} does not fit its colour {colour!r}')
        if isinstance(shape[0], int):
            raise self._foreign(f'it takes {shape[0]} face(s) at a time, not any number')
        try:
            margin = float(self.properties['margin'])
        except (KeyError, ValueError) as error:
            raise self._foreign('its metadata has no margin') from error
        if not -0.5 < margin <= 2:
            raise self._foreign(f'its margin {margin} is not between -0.5 and 2')
        return CropForm(shape[1], margin, colour)

    def _foreign(self, reason: str) -> ValueError:
        return ValueError(
            f'model file {self.path} was not made for face_classification_ros: {reason}'
        )
