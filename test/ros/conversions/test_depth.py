"""Depth images and calibrations are converted, or rejected with the reason."""

from __future__ import annotations

import math

from depth_messages import CAMERA, camera_info, changed, depth_message
import numpy as np
import pytest
from sensor_msgs.msg import RegionOfInterest

from face_classification_ros.geometry.positions import Intrinsics
from face_classification_ros.ros.conversions.depth import (
    depth_from_message,
    intrinsics_from_message,
)


@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('encoding', ['16UC1', '32FC1'])
def test_depth_is_read_from_every_layout(encoding: str, big_endian: bool, padding: int) -> None:
    """Both encodings, both byte orders, and rows with padding."""
    meters = np.linspace(0.5, 4, 12, dtype=np.float32).reshape(3, 4)
    message = depth_message(meters, encoding, big_endian=big_endian, padding=padding)
    depth = depth_from_message(message)
    assert np.allclose(depth.values.astype(np.float64) / depth.meter, meters, atol=1e-3)


@pytest.mark.parametrize(
    'changes, reason',
    [
        ({'encoding': 'bgr8'}, "encoding 'bgr8', 4 x 3, step 16, 48 bytes: expected 16UC1 or 32"),
        ({'encoding': '16UC1; compressedDepth'}, 'expected 16UC1 or 32FC1'),
        ({'step': 15}, 'expected a step of at least 16'),
        ({'height': 4}, 'expected at least 64 bytes'),
        ({'height': 0}, 'is empty'),
        ({'width': 100_000, 'height': 100_000}, 'expected a step of at least 400000'),
        ({'width': 100_000, 'height': 100_000, 'step': 400_000}, 'at least 40000000000 bytes'),
    ],
)
def test_malformed_depth_is_rejected(changes: dict[str, object], reason: str) -> None:
    """The reason is one line, and no memory is allocated for a declared size."""
    message = changed(depth_message(np.ones((3, 4), np.float32)), **changes)
    with pytest.raises(ValueError, match=reason):
        depth_from_message(message)


def test_calibration_is_that_of_the_rectified_image() -> None:
    """P is used, or K if P is 0."""
    message = camera_info()
    assert intrinsics_from_message(message) == CAMERA
    message.p = [0.0] * 12
    assert intrinsics_from_message(message) == Intrinsics(200, 200, 1440, 1440, 101, 97)


def test_binning_and_roi_change_the_calibration() -> None:
    """The calibration is for the full resolution; the image is a part of it at half the size."""
    message = camera_info(Intrinsics(640, 480, 500.0, 510.0, 320.0, 240.0))
    message.binning_x = message.binning_y = 2
    message.roi = RegionOfInterest(x_offset=100, y_offset=40, width=400, height=300)
    found = intrinsics_from_message(message)
    assert found == Intrinsics(200, 150, 250, 255, 109.75, 99.75)
    # A point is seen in the same direction.
    u, v = 355.5, 281.5
    assert ((u - 100 + 0.5) / 2 - 0.5 - found.cx) / found.fx == pytest.approx((u - 320) / 500)
    assert ((v - 40 + 0.5) / 2 - 0.5 - found.cy) / found.fy == pytest.approx((v - 240) / 510)


@pytest.mark.parametrize(
    'changes, reason',
    [
        ({'width': 0}, 'the size of the image is missing'),
        ({'p': [0.0] * 12, 'k': [0.0] * 9}, 'not calibrated, fx 0, fy 0'),
        ({'p': [math.nan] * 12}, 'not calibrated, fx nan'),
        ({'roi': RegionOfInterest(x_offset=150, width=100)}, 'roi extends beyond the edge'),
    ],
)
def test_unusable_calibration_is_rejected(changes: dict[str, object], reason: str) -> None:
    """The reason is one line."""
    with pytest.raises(ValueError, match=reason):
        intrinsics_from_message(changed(camera_info(), **changes))
