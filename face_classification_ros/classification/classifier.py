"""Run classifiers: crops go in, a probability distribution per attribute comes out."""

from __future__ import annotations

from collections.abc import Sequence
import json
from pathlib import Path
import re

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.classification.crops import InputSpec
from face_classification_ros.config import check_threshold, SettingError
from face_classification_ros.inference.model_zoo import model_path
from face_classification_ros.inference.session import load_network, try_out
from face_classification_ros.types import UNKNOWN

INPUT = 'faces'

MOVEMENT = 'movement'
"""Optional output of a model file: where the face has gone, see `classify_and_follow`."""

ATTRIBUTE_NAME = re.compile('[a-z][a-z0-9_]{0,39}')
"""Pattern of the name of an attribute, which becomes part of parameter names."""

DEFAULT_THRESHOLD = 0.5
"""Probability below which a label is "unknown", for model files that bring none."""

MAX_SIZE = 512
"""Height and width in pixels of the largest crop, as in training."""

_TOLERANCE = 1e-3
"""Largest deviation of the sum of a distribution from 1."""


class ModelFileError(ValueError):
    """A file is not a classifier of this package.

    Attributes:
        path: path of the file.
        part: what is wrong: `file` if it is not a usable ONNX file at all, otherwise its
            `metadata`, or of that `labels`, `thresholds`, `color`, `margin` or
            `follow_threshold`, or the `input` or `output` of the network.
    """

    def __init__(self, path: Path, part: str, reason: str) -> None:
        """Name the file and say what is wrong with it."""
        super().__init__(f'model file {path} {reason}')
        self.path, self.part = path, part


class Classifier:
    """A loaded model file.

    A model file is one ONNX file with everything that is needed to run it: an input `faces`,
    uint8 N x H x W x C, one output of probabilities per attribute, float32 N x labels, and the
    metadata `labels` (JSON: attribute -> list of labels), `color`, `margin` and `thresholds`
    (optional, JSON: attribute -> probability). Preprocessing cannot be configured, hence not be
    configured wrong.

    A file that can also follow faces has one more output `movement`, float32 N x 4, and the
    metadata `follow_threshold`.

    Attributes:
        path: the file.
        labels: attribute -> its labels in the order of the output.
        thresholds: attribute -> probability below which its label is "unknown", 0 to 1.
        input_spec: crops that the network expects.
        follow_threshold: probability below which a face that is followed is lost, 0 to 1; None if
            the file cannot follow faces.
        properties: all metadata of the file: recipe, data, figures, license.
    """

    def __init__(self, path: str | Path, *, num_threads: int = 1) -> None:
        """Load a model file.

        Args:
            path: the file.
            num_threads: CPU threads per call.

        Raises:
            FileNotFoundError: there is no such file.
            ModelFileError: the file cannot be read, is not a self-contained ONNX file, see
                `inference.session.read_model`, or is not a classifier of this package.
        """
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f'model file {self.path} does not exist')
        try:
            self._session = load_network(self.path, num_threads=num_threads)
        except ValueError as error:
            raise ModelFileError(
                self.path, 'file', f'is not a usable ONNX file: {error}'
            ) from error
        try:
            self.properties: dict[str, str] = dict(
                self._session.get_modelmeta().custom_metadata_map
            )
        except UnicodeDecodeError as error:
            raise self._error('metadata', 'its metadata is not text') from error
        self.labels = self._read_labels()
        self.thresholds = self._read_thresholds()
        self.input_spec = self._read_input_spec()
        self.follow_threshold = self._read_follow_threshold()
        self._try_out()

    def classify(self, crops: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Classify all crops in one call.

        Args:
            crops: uint8 N x size x size x channels, see `input_spec`.

        Returns:
            Attribute -> float32 N x labels, rows of sum 1.
        """
        names = list(self.labels)
        return dict(zip(names, self._session.run(names, {INPUT: crops}), strict=True))

    def classify_and_follow(
        self, crops: NDArray[np.uint8]
    ) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float32]]:
        """Classify all crops, and predict where their faces are, in one call.

        Args:
            crops: uint8 N x size x size x channels, at the places of the faces in the previous
                image; for a file with a `follow_threshold`.

        Returns:
            The result of `classify`, and float32 N x 4: movement to the right and down in longer
            sides of the box, natural logarithm of the factor of its size, and the probability
            that the crop still shows that face.
        """
        *distributions, movements = self._session.run([*self.labels, MOVEMENT], {INPUT: crops})
        return dict(zip(self.labels, distributions, strict=True)), movements

    def _read_labels(self) -> dict[str, tuple[str, ...]]:
        if 'labels' not in self.properties:
            raise self._error('labels', 'its metadata has no labels')
        try:
            content = json.loads(self.properties['labels'])
        except (ValueError, RecursionError) as error:
            raise self._error('labels', 'its labels are not a JSON object of lists') from error
        if not isinstance(content, dict) or not all(
            isinstance(names, list) for names in content.values()
        ):
            raise self._error('labels', 'its labels are not a JSON object of lists')
        if not content:
            raise self._error('labels', 'its metadata has no labels')
        outputs = {output.name: output for output in self._session.get_outputs()}
        for attribute, names in content.items():
            if not ATTRIBUTE_NAME.fullmatch(attribute):
                raise self._error(
                    'labels',
                    f'{attribute[:40]!r} is not the name of an attribute (a-z, 0-9 and _)',
                )
            # Control characters and surrogates would not survive a message.
            if not all(isinstance(name, str) and name.isprintable() and name for name in names):
                raise self._error('labels', f'a label of {attribute} is not printable text')
            if UNKNOWN in names:
                raise self._error(
                    'labels', f'a label of {attribute} is {UNKNOWN!r}, which means no label'
                )
            if len(set(names)) < len(names):
                raise self._error('labels', f'the labels of {attribute} are not distinct')
            output = outputs.get(attribute)
            if (
                output is None
                or output.type != 'tensor(float)'
                or output.shape[-1:] != [len(names)]
            ):
                raise self._error(
                    'output', f'no output {attribute!r} with {len(names)} probabilities'
                )
        return {attribute: tuple(names) for attribute, names in content.items()}

    def _read_thresholds(self) -> dict[str, float]:
        text = self.properties.get('thresholds', '{}')
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._error('thresholds', 'its thresholds are not a JSON object') from error
        if not isinstance(content, dict):
            raise self._error('thresholds', 'its thresholds are not a JSON object')
        thresholds = {name: content.get(name, DEFAULT_THRESHOLD) for name in self.labels}
        for name, threshold in thresholds.items():
            try:
                check_threshold(name, threshold)
            except SettingError as error:
                raise self._error(
                    'thresholds', f'its threshold of {name}: {error.reason}'
                ) from error
        return thresholds

    def _read_input_spec(self) -> InputSpec:
        inputs = self._session.get_inputs()
        shape = inputs[0].shape
        if len(inputs) != 1 or inputs[0].name != INPUT or inputs[0].type != 'tensor(uint8)':
            raise self._error('input', f'its only input is not {INPUT!r} of type uint8')
        color = self.properties.get('color', '')
        channels = {'gray': 1, 'bgr': 3}.get(color)
        is_square = len(shape) == 4 and isinstance(shape[1], int) and shape[1] == shape[2]
        if not is_square or shape[3] != channels:
            raise self._error('color', f'its input {shape} does not fit its color {color!r}')
        if not 1 <= shape[1] <= MAX_SIZE:
            raise self._error(
                'input', f'its faces of {shape[1]} pixels are not of 1 to {MAX_SIZE}'
            )
        if isinstance(shape[0], int):
            raise self._error('input', f'it takes {shape[0]} face(s) at a time, not any number')
        try:
            margin = float(self.properties['margin'])
        except (KeyError, ValueError) as error:
            raise self._error('margin', 'its metadata has no margin') from error
        if not -0.5 < margin <= 2:
            raise self._error('margin', f'its margin {margin} is not between -0.5 and 2')
        return InputSpec(shape[1], margin, color)

    def _read_follow_threshold(self) -> float | None:
        text = self.properties.get('follow_threshold')
        if text is None:
            return None
        try:
            threshold = float(text)
            check_threshold(MOVEMENT, threshold)
        except ValueError as error:
            raise self._error(
                'follow_threshold', f'its follow_threshold {text[:40]!r} is not from 0 to 1'
            ) from error
        outputs = {output.name: output.type for output in self._session.get_outputs()}
        if outputs.get(MOVEMENT) != 'tensor(float)':
            raise self._error('output', f'it has a follow_threshold, but no output {MOVEMENT!r}')
        return threshold

    def _try_out(self) -> None:
        """Run the network once: its outputs may differ from what the file declares."""
        names, input_spec = list(self.labels), self.input_spec
        asked = names if self.follow_threshold is None else [*names, MOVEMENT]
        blank = np.full((2, input_spec.size, input_spec.size, input_spec.channels), 128, np.uint8)
        try:
            outputs = dict(zip(asked, try_out(self._session, asked, {INPUT: blank}), strict=True))
        except ValueError as error:
            raise self._error('output', str(error)) from error
        if MOVEMENT in asked and outputs[MOVEMENT].shape != (2, 4):
            raise self._error('output', f'its output {MOVEMENT!r} has not four values per face')
        for name in names:
            output = outputs[name]
            is_distribution = (
                output.shape == (2, len(self.labels[name]))
                and (output >= -_TOLERANCE).all()
                and (abs(output.sum(axis=1) - 1) < _TOLERANCE).all()
            )
            if not is_distribution:
                raise self._error(
                    'output', f'its output {name!r} is not a probability distribution'
                )

    def _error(self, part: str, reason: str) -> ModelFileError:
        return ModelFileError(
            self.path, part, f'is not a classifier of face_classification_ros: {reason}'
        )


def load_classifiers(
    models: Sequence[str], attributes: Sequence[str] = (), *, num_threads: int = 1
) -> dict[str, Classifier]:
    """Load model files and assign one to each attribute.

    Args:
        models: names of shipped models or paths of .onnx files; of two that estimate the same
            attribute the first counts.
        attributes: attributes to estimate; empty for all of the models.
        num_threads: CPU threads per call.

    Returns:
        Attribute -> classifier, in the order of the models and of their labels.

    Raises:
        FileNotFoundError: there is no such model.
        ModelFileError: a file is not usable.
        ValueError: no model estimates one of `attributes`.
    """
    classifiers: dict[str, Classifier] = {}
    for model in dict.fromkeys(models):
        classifier = Classifier(model_path(model), num_threads=num_threads)
        for attribute in classifier.labels:
            classifiers.setdefault(attribute, classifier)
    for attribute in attributes:
        if attribute not in classifiers:
            available = ', '.join(classifiers) or 'none'
            raise ValueError(
                f'no model estimates the attribute {attribute!r}; available: {available}'
            )
    return {
        attribute: classifier
        for attribute, classifier in classifiers.items()
        if not attributes or attribute in attributes
    }
