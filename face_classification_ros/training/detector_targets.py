"""Targets of a detector: the dense predictions of a teacher, corrected by labels."""

from __future__ import annotations

from collections.abc import Sequence
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.datasets.face_scenes import SceneRegion
from face_classification_ros.detection.yunet import YuNet
from face_classification_ros.networks.builder import DETECTION_STRIDES
from face_classification_ros.types import BoundingBox, Image

FOUND = 0.5
"""Score from which the teacher has found a labeled face."""
FOUND_OVERLAP = 0.4
"""Intersection over union from which a prediction is of a labeled face."""
WRONG_OVERLAP = 0.3
"""Intersection over union from which a prediction is of a region that is not a face."""
CELLS_PER_FACE = 4
"""Size of a face in cells up to which a stride is used for a face that the teacher misses."""

Cells = NDArray[np.float32]


class Teacher:
    """Predicts for every cell of an image; one object may serve several threads."""

    def __init__(self, model: Path) -> None:
        """Load a model file of the detector `yunet`.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is not such a detector.
        """
        self._detector = YuNet(str(model), 1)

    def predict(self, image: Image) -> Cells:
        """Return the predictions for an image, float32 cells x 15.

        Strides in the order of `DETECTION_STRIDES`, the cells of each row by row. Values as in
        `blocks.detection_head`, but the score is a probability.

        Args:
            image: uint8 H x W x 3 in BGR; height and width are multiples of 32.
        """
        return self._detector.cells(image)


def correct_targets(
    cells: Cells, regions: Sequence[SceneRegion], size: int, min_missed_size: float
) -> None:
    """Correct the predictions of a teacher by the labels of the image, in place.

    A region that is not a face gets the score 0. A labeled face that the teacher misses gets the
    score 1, its own box and landmarks in the cell of its center.

    Args:
        cells: as `Teacher.predict` returns them.
        regions: of the image.
        size: height and width of the image in pixels.
        min_missed_size: size of a face in pixels from which it is corrected.
    """
    if not regions:
        return
    boxes = _decode_boxes(cells, size)
    for region in regions:
        if region.use == 'ignore':
            continue
        overlaps = _overlaps(boxes, region.box)
        if region.use == 'not_a_face':
            cells[overlaps >= WRONG_OVERLAP, 0] = 0
            continue
        is_large = math.sqrt(region.box.area) >= min_missed_size
        score = cells[overlaps >= FOUND_OVERLAP, 0].max(initial=0)
        if is_large and len(region.landmarks) == 5 and score < FOUND:
            _put_face(cells, region, size)


def count_cells(size: int, stride: int) -> int:
    """Return the number of cells of a stride in an image of `size` x `size` pixels."""
    return (size // stride) ** 2


def _put_face(cells: Cells, region: SceneRegion, size: int) -> None:
    face_size = math.sqrt(region.box.area)
    stride = next(
        (each for each in DETECTION_STRIDES if face_size <= CELLS_PER_FACE * each),
        DETECTION_STRIDES[-1],
    )
    start = sum(count_cells(size, each) for each in DETECTION_STRIDES if each < stride)
    x, y = region.box.center
    column, row = int(x // stride), int(y // stride)
    if not (0 <= column < size // stride and 0 <= row < size // stride):
        return
    corner = np.array((column, row))
    cell = cells[start + row * (size // stride) + column]
    cell[0] = 1
    cell[1:3] = np.array((x, y)) / stride - corner
    cell[3:5] = np.log(np.array((region.box.width, region.box.height)) / stride)
    cell[5:] = (np.array(region.landmarks) / stride - corner).ravel()


def _decode_boxes(cells: Cells, size: int) -> NDArray[np.float64]:
    """Return left, top, right and bottom of the boxes of all cells in pixels, cells x 4."""
    boxes = np.empty((len(cells), 4))
    start = 0
    for stride in DETECTION_STRIDES:
        count = count_cells(size, stride)
        row, column = np.divmod(np.arange(count), size // stride)
        values = cells[start : start + count].astype(np.float64)
        center = (np.stack([column, row], 1) + values[:, 1:3]) * stride
        extent = np.exp(np.minimum(values[:, 3:5], 6)) * stride
        boxes[start : start + count] = np.hstack([center - extent / 2, center + extent / 2])
        start += count
    return boxes


def _overlaps(boxes: NDArray[np.float64], box: BoundingBox) -> NDArray[np.float64]:
    """Return the intersection over union of each box with another one, cells."""
    low = np.maximum(boxes[:, :2], (box.x, box.y))
    high = np.minimum(boxes[:, 2:], (box.x + box.width, box.y + box.height))
    common = np.maximum(high - low, 0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    overlaps: NDArray[np.float64] = common / (areas + box.area - common)
    return overlaps
