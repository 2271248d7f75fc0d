"""Crop faces as REP-155 (ROS4HRI) defines them."""

from __future__ import annotations

from collections.abc import Sequence
import math

import cv2
import numpy as np

from face_classification_ros.types import BoundingBox, Image, Point2D

CROP_SIZE = 128
"""Height and width in pixels of a cropped face, the default of the standard."""


def cropped_face(image: Image, box: BoundingBox) -> Image:
    """Crop a face, resized to fit and centered on black.

    Args:
        image: uint8 H x W x 3 in BGR.
        box: in its pixels; may extend beyond the edge.

    Returns:
        uint8, `CROP_SIZE` x `CROP_SIZE` x 3.
    """
    visible = box.clipped(image.shape[1], image.shape[0])
    left, top = math.floor(visible.x), math.floor(visible.y)
    right, bottom = math.ceil(visible.x + visible.width), math.ceil(visible.y + visible.height)
    crop = image[top:bottom, left:right]
    cropped = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)
    if crop.size == 0:
        return cropped
    scale = CROP_SIZE / max(crop.shape[:2])
    height, width = (max(1, round(side * scale)) for side in crop.shape[:2])
    left, top = (CROP_SIZE - width) // 2, (CROP_SIZE - height) // 2
    cropped[top : top + height, left : left + width] = cv2.resize(
        crop, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    return cropped


def aligned_face(image: Image, box: BoundingBox, landmarks: Sequence[Point2D]) -> Image:
    """Crop a face, rotated about the center of its box until its eyes are horizontal.

    Args:
        image: uint8 H x W x 3 in BGR.
        box: in its pixels; may extend beyond the edge, where the result is black.
        landmarks: five points as in `Detection`, in pixels of the image.

    Returns:
        uint8, `CROP_SIZE` x `CROP_SIZE` x 3, the right eye of the person at the left.
    """
    (right_x, right_y), (left_x, left_y) = landmarks[:2]
    angle = math.degrees(math.atan2(left_y - right_y, left_x - right_x))
    matrix = cv2.getRotationMatrix2D(box.center, angle, CROP_SIZE / max(box.width, box.height))
    matrix[:, 2] += CROP_SIZE / 2 - np.array(box.center)
    return np.asarray(cv2.warpAffine(image, matrix, (CROP_SIZE, CROP_SIZE)), np.uint8)
