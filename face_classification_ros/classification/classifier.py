"""Run a model file: crops go in, a probability distribution per attribute comes out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.classification.crops import InputSpec
from face_classification_ros.inference.session import load_network, try_out

INPUT = 'faces'
ATTRIBUTES = ('gender', 'emotion')

MAX_SIDE = 512
"""Pixels of the largest crop, as in training."""

_TOLERANCE = 1e-3
"""How far the sum of a distribution may be from 1."""


class Classifier:
    """A model file, loaded and ready.

    A model file is one ONNX file that knows all that is needed to run it: input `faces`, uint8
    N x H x W x C, an output of probabilities float32 N x labels per attribute, and in its
    metadata `labels` (JSON: attribute -> list of labels), `color` and `margin`. Nothing about
    preprocessing can be configured, so nothing can be configured wrong.

    Attributes:
        path: the file.
        labels: attribute -> its labels in the order of the output.
        input_spec: what crops the network wants.
        properties: all metadata of the file: recipe, data, figures, license.
    """

    def __init__(self, path: str | Path, *, num_threads: int = 1) -> None:
        """Load a model file.

        Args:
            path: the file.
            num_threads: processor threads for one call.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file cannot be read, is no ONNX file that stands for itself, see
                `inference.read_model`, or one that was not made for this package.
        """
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f'model file {self.path} does not exist')
        try:
            self._session = load_network(self.path, num_threads=num_threads)
        except (ValueError, OSError) as error:
            raise ValueError(
                f'model file {self.path} is not a usable ONNX file: {error}'
            ) from error
        try:
            self.properties: dict[str, str] = dict(
                self._session.get_modelmeta().custom_metadata_map
            )
        except UnicodeDecodeError as error:
            raise self._foreign('its metadata is no text') from error
        self.labels = self._read_labels()
        self.input_spec = self._read_form()
        self._require_distributions()

    def classify(self, crops: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Classify all crops in one call.

        Args:
            crops: uint8 N x side x side x channels as `input_spec` says.

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
        except (ValueError, RecursionError) as error:
            raise self._foreign('its labels are not a JSON object of lists') from error
        if not isinstance(content, dict) or not all(
            isinstance(names, list) for names in content.values()
        ):
            raise self._foreign('its labels are not a JSON object of lists')
        if not content:
            raise self._foreign('its metadata has no labels')
        outputs = {output.name: output for output in self._session.get_outputs()}
        for attribute, names in content.items():
            if attribute not in ATTRIBUTES:
                raise self._foreign(f'{attribute[:40]!r} is none of {", ".join(ATTRIBUTES)}')
            # Control characters and halves of characters would not get through a message.
            if not all(isinstance(name, str) and name.isprintable() and name for name in names):
                raise self._foreign(f'a label of {attribute} is no printable text')
            if len(set(names)) < len(names):
                raise self._foreign(f'the labels of {attribute} are not distinct')
            output = outputs.get(attribute)
            if (
                output is None
                or output.type != 'tensor(float)'
                or output.shape[-1:] != [len(names)]
            ):
                raise self._foreign(f'no output {attribute!r} with {len(names)} probabilities')
        return {attribute: tuple(names) for attribute, names in content.items()}

    def _read_form(self) -> InputSpec:
        inputs = self._session.get_inputs()
        shape = inputs[0].shape
        if len(inputs) != 1 or inputs[0].name != INPUT or inputs[0].type != 'tensor(uint8)':
            raise self._foreign(f'it has not the one input {INPUT!r} of type uint8')
        color = self.properties.get('color', '')
        channels = {'gray': 1, 'bgr': 3}.get(color)
        is_square = len(shape) == 4 and isinstance(shape[1], int) and shape[1] == shape[2]
        if not is_square or shape[3] != channels:
            raise self._foreign(f'its input {shape} does not fit its color {color!r}')
        if not 1 <= shape[1] <= MAX_SIDE:
            raise self._foreign(f'its faces of {shape[1]} pixels are not of 1 to {MAX_SIDE}')
        if isinstance(shape[0], int):
            raise self._foreign(f'it takes {shape[0]} face(s) at a time, not any number')
        try:
            margin = float(self.properties['margin'])
        except (KeyError, ValueError) as error:
            raise self._foreign('its metadata has no margin') from error
        if not -0.5 < margin <= 2:
            raise self._foreign(f'its margin {margin} is not between -0.5 and 2')
        return InputSpec(shape[1], margin, color)

    def _require_distributions(self) -> None:
        """Run the network once: what it says of its outputs may not be what it gives."""
        names, input_spec = list(self.labels), self.input_spec
        blank = np.full((2, input_spec.side, input_spec.side, input_spec.channels), 128, np.uint8)
        try:
            answers = try_out(self._session, names, {INPUT: blank})
        except ValueError as error:
            raise self._foreign(str(error)) from error
        for name, answer in zip(names, answers, strict=True):
            is_distribution = (
                answer.shape == (2, len(self.labels[name]))
                and (answer >= -_TOLERANCE).all()
                and (abs(answer.sum(axis=1) - 1) < _TOLERANCE).all()
            )
            if not is_distribution:
                raise self._foreign(f'what it tells of {name} is no probability distribution')

    def _foreign(self, reason: str) -> ValueError:
        return ValueError(
            f'model file {self.path} was not made for face_classification_ros: {reason}'
        )
