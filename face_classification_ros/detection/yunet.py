"""The detector `yunet`: YuNet, or a detector trained by this package, in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from face_classification_ros.inference.session import load_network, try_out
from face_classification_ros.types import BoundingBox, Detection, Image

_STRIDES = (8, 16, 32)
_VALUES = {'score': 1, 'cls': 1, 'obj': 1, 'bbox': 4, 'kps': 10}
_YUNET_PARTS = ('cls', 'obj', 'bbox', 'kps')
_OWN_PARTS = ('score', 'bbox', 'kps')
_MAX_OVERLAP = 0.3
_MAX_SIDE = 4096
_FAR = 1e6
"""Distance in pixels from the corner of the image that no face can have."""
_CALL_COST = 8_000
"""Measured cost of a call in addition to its pixels, in pixels."""


class YuNet:
    """YuNet with the outputs of OpenCV's model zoo from March 2023 on, or a model of `train`.

    Both divide the image into cells alike and have the same boxes and landmarks; a detector of
    this package has one score where YuNet has two factors of it.

    OpenCV's own class for it takes three times as long and fails in OpenCV 4.6.

    Source: Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence
    Research 2023; decoding as in OpenCV's `FaceDetectorYN`.

    Attributes:
        max_size: largest width or height in pixels that fits into the input of the model.
    """

    def __init__(self, model: str, num_threads: int) -> None:
        """Load a model.

        Args:
            model: path of the ONNX file, with an input of fixed or dynamic size.
            num_threads: number of threads.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the path is empty, or the file is not a YuNet.
        """
        if not model:
            raise ValueError(
                'detector_model: yunet needs the path of an ONNX file, such '
                'as face_detection_yunet_2023mar.onnx of the OpenCV model zoo'
            )
        if not Path(model).is_file():
            raise FileNotFoundError(f'detector model {model}: no such file')
        try:
            self._session = load_network(Path(model), num_threads=num_threads)
        except ValueError as error:
            raise ValueError(
                f'detector model {model} is not a usable ONNX file: {error}'
            ) from error
        self._input_name, self._outputs = _names_in(self._session, model)
        self._fixed_size = _fixed_size(self._session, model)
        self.max_size = min(self._fixed_size or (_MAX_SIDE,))
        self._image_size = (0, 0)
        self._input = np.zeros((1, 3, 0, 0), np.float32)
        try:
            self._try_out()
        except ValueError as error:
            raise ValueError(f'detector model {model}: expected a YuNet, but {error}') from error

    def find(self, image: Image, threshold: float, min_size: float) -> list[Detection]:
        """See `DetectorBackend.find`."""
        height, width = image.shape[:2]
        if (height, width) != self._image_size:
            self._image_size = height, width
            self._input = np.zeros((1, 3, *self._input_size(width, height)), np.float32)
        # The padding on the right and at the bottom stays black from one image to the next.
        self._input[0, :, :height, :width] = image.transpose(2, 0, 1)
        outputs = self._session.run(self._outputs, {self._input_name: self._input})
        named = dict(zip(self._outputs, outputs, strict=True))
        return decode(named, self._input.shape[3], threshold)

    def cells(self, image: Image) -> NDArray[np.float32]:
        """Return score, box and landmarks of all cells, cells x 15, for training a detector.

        The cells of the strides 8, 16 and 32, each row by row, with the values of `decode`. May
        be called from several threads.

        Args:
            image: uint8 H x W x 3 in BGR; height and width are multiples of 32.
        """
        inputs = {self._input_name: image.transpose(2, 0, 1)[np.newaxis].astype(np.float32)}
        outputs = self._session.run(self._outputs, inputs)
        named = dict(zip(self._outputs, outputs, strict=True))
        return np.concatenate(
            [
                np.hstack(
                    [
                        score_of(named, stride)[:, np.newaxis],
                        named[f'bbox_{stride}'][0],
                        named[f'kps_{stride}'][0],
                    ]
                )
                for stride in _STRIDES
            ]
        )

    def cost(self, width: float, height: float) -> float:
        """See `DetectorBackend.cost`."""
        return math.prod(self._input_size(width, height)) + _CALL_COST

    def _try_out(self) -> None:
        """Run the network once: its outputs may differ from what the file declares."""
        height, width = self._input_size(64, 64)
        black = np.zeros((1, 3, height, width), np.float32)
        outputs = try_out(self._session, self._outputs, {self._input_name: black})
        for name, output in zip(self._outputs, outputs, strict=True):
            part, _, stride = name.partition('_')
            cells = (height // int(stride)) * (width // int(stride))
            if output.dtype != np.float32 or output.shape != (1, cells, _VALUES[part]):
                raise ValueError(
                    f'{name} is {output.dtype} {output.shape}, not float32 '
                    f'{(1, cells, _VALUES[part])}'
                )

    def _input_size(self, width: float, height: float) -> tuple[int, int]:
        return self._fixed_size or (32 * math.ceil(height / 32), 32 * math.ceil(width / 32))


def _names_in(session: InferenceSession, model: str) -> tuple[str, tuple[str, ...]]:
    """Return the names of the input and the outputs.

    Raises:
        ValueError: they are not those of a YuNet or of a detector of this package.
    """
    inputs = session.get_inputs()
    found = {output.name for output in session.get_outputs()}
    own, yunet = _names(_OWN_PARTS), _names(_YUNET_PARTS)
    outputs = own if found.issuperset(own) else yunet
    if (
        len(inputs) != 1
        or len(inputs[0].shape) != 4
        or inputs[0].shape[1] != 3
        or not found.issuperset(outputs)
    ):
        raise ValueError(
            f'detector model {model}: expected a YuNet, with one input N x 3 x H x W and the '
            f'outputs {", ".join(outputs)}; it has {", ".join(sorted(found))}'
        )
    if inputs[0].type != 'tensor(float)':
        raise ValueError(f'detector model {model}: its input is not a float32 image')
    return inputs[0].name, outputs


def _fixed_size(session: InferenceSession, model: str) -> tuple[int, int] | None:
    """Return height and width of the input in pixels, None if they are dynamic.

    Raises:
        ValueError: they are not between 32 and `_MAX_SIDE`.
    """
    height, width = session.get_inputs()[0].shape[2:]
    # ONNX Runtime returns the name of a dynamic dimension.
    if not (isinstance(height, int) and isinstance(width, int)):
        return None
    if not 32 <= min(height, width) <= max(height, width) <= _MAX_SIDE:
        raise ValueError(
            f'detector model {model}: its images of {width} x {height} are not of 32 to '
            f'{_MAX_SIDE} pixels'
        )
    return height, width


def _names(parts: Sequence[str]) -> tuple[str, ...]:
    return tuple(f'{part}_{stride}' for part in parts for stride in _STRIDES)


def score_of(outputs: Mapping[str, NDArray[np.float32]], stride: int) -> NDArray[np.float32]:
    """Return the scores of the cells of a stride, N, 0 to 1; see `decode`."""
    if f'score_{stride}' in outputs:
        return outputs[f'score_{stride}'].ravel()
    cls, obj = outputs[f'cls_{stride}'].ravel(), outputs[f'obj_{stride}'].ravel()
    score: NDArray[np.float32] = np.sqrt(np.clip(cls, 0, 1) * np.clip(obj, 0, 1))
    return score


def decode(
    outputs: Mapping[str, NDArray[np.float32]], width: int, threshold: float
) -> list[Detection]:
    """Decode the outputs of the network into faces.

    The network divides the image into cells of 8, 16 and 32 pixels, and predicts for each, row by
    row: whether a face is centered in it (`score`, or `cls` and `obj`, the score is the root of
    their product), its box (`bbox`: the center from the cell's corner, in cells, and the
    logarithm of width and height, in cells), and its landmarks (`kps`, from the cell's corner, in
    cells).

    Args:
        outputs: for each stride s float32 arrays: `score_s` 1 x N x 1, or `cls_s` and `obj_s` of
            the same shape, `bbox_s` 1 x N x 4, `kps_s` 1 x N x 10, with N cells.
        width: width of the input of the network in pixels.
        threshold: minimum score of a face, 0 to 1.

    Returns:
        Faces in pixels of the input of the network, after non-maximum suppression.
    """
    scores, boxes, landmarks = [], [], []
    for stride in _STRIDES:
        score = score_of(outputs, stride)
        chosen = np.flatnonzero(score >= threshold)
        row, column = np.divmod(chosen, width // stride)
        corner = np.stack([column, row], axis=1)
        bbox = outputs[f'bbox_{stride}'][0, chosen]
        size = np.exp(bbox[:, 2:]) * stride
        scores.append(score[chosen])
        boxes.append(np.hstack([(corner + bbox[:, :2]) * stride - size / 2, size]))
        points = outputs[f'kps_{stride}'][0, chosen].reshape(-1, 5, 2)
        landmarks.append((corner[:, None] + points) * stride)
    # A badly trained network may place a face at infinity.
    places = np.hstack([np.concatenate(boxes), np.concatenate(landmarks).reshape(-1, 10)])
    is_near = (abs(places) < _FAR).all(axis=1)
    all_scores = np.concatenate(scores)[is_near].tolist()
    all_boxes = places[is_near, :4].tolist()
    all_landmarks = np.concatenate(landmarks)[is_near].tolist()
    kept = cv2.dnn.NMSBoxes(all_boxes, all_scores, 0.0, _MAX_OVERLAP)
    return [
        Detection(
            BoundingBox(*all_boxes[i]), all_scores[i], tuple((x, y) for x, y in all_landmarks[i])
        )
        for i in np.array(kept, int).ravel()
    ]
