"""Convert messages of depth images and camera calibrations."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image as ImageMessage

from face_classification_ros.geometry.positions import DepthImage, Intrinsics

FOCAL_LENGTHS = (0.01, 100.0)
"""Plausible focal lengths as a multiple of the longer side: views of 179 to half a degree."""

# Encoding -> type of a value in memory, and value of one meter, as defined by REP-118. Drivers of
# ROS 1 and some of ROS 2 publish millimeters as mono16, which has the same layout as 16UC1.
_ENCODINGS = {'16UC1': ('u2', 1000.0), '32FC1': ('f4', 1.0), 'mono16': ('u2', 1000.0)}


def depth_from_message(message: ImageMessage) -> DepthImage:
    """Return the distances of a message without a copy.

    Args:
        message: 16UC1 or mono16 in millimeters, or 32FC1 in meters, any step, either byte order.

    Raises:
        ValueError: the message is malformed or not a depth image; the text is one line that names
            encoding, size, step, number of bytes and what was expected.
    """
    size = len(message.data)
    problem = (
        f'depth image of encoding {message.encoding!r}, {message.width} x {message.height}, '
        f'step {message.step}, {size} bytes: '
    )
    if message.encoding not in _ENCODINGS:
        raise ValueError(problem + f'expected {" or ".join(_ENCODINGS)}')
    kind, meter = _ENCODINGS[message.encoding]
    value = int(kind[1:])
    if message.width == 0 or message.height == 0:
        raise ValueError(problem + 'is empty, expected at least 1 x 1')
    if message.step < message.width * value:
        raise ValueError(problem + f'expected a step of at least {message.width * value}')
    if size < message.step * message.height:
        raise ValueError(problem + f'expected at least {message.step * message.height} bytes')
    values: np.ndarray = np.ndarray(
        (message.height, message.width),
        ('>' if message.is_bigendian else '<') + kind,
        buffer=message.data,
        strides=(message.step, value),
    )
    return DepthImage(values, meter)


def intrinsics_from_message(message: CameraInfo) -> Intrinsics:
    """Return the pinhole camera of a calibration, for the image after binning and roi.

    P, the camera matrix of the rectified image, is used, or K where P is 0. The fourth column of
    P, the offset of the second camera of a stereo pair, is ignored: positions are in the frame of
    the camera that took the image.

    Raises:
        ValueError: the calibration is not usable; the text is one line with the reason.
    """
    problem = f'camera_info of {message.width} x {message.height}: '
    if message.width == 0 or message.height == 0:
        raise ValueError(problem + 'the size of the image is missing')
    p, k = message.p, message.k
    given = (p[0], p[5], p[2], p[6]) if p[0] else (k[0], k[4], k[2], k[5])
    fx, fy, cx, cy = map(float, given)
    longer = max(message.width, message.height)
    shortest, longest = (factor * longer for factor in FOCAL_LENGTHS)
    # Every comparison with NaN is false.
    if not (
        shortest <= fx <= longest
        and shortest <= fy <= longest
        and abs(cx) <= longest
        and abs(cy) <= longest
    ):
        raise ValueError(
            problem + f'the camera is not calibrated, fx {fx:g}, fy {fy:g}, cx {cx:g}, cy {cy:g}'
        )
    # Calibration and roi are in pixels of the full resolution, see sensor_msgs/CameraInfo.
    roi = message.roi
    width, height = roi.width or message.width, roi.height or message.height
    if roi.x_offset + width > message.width or roi.y_offset + height > message.height:
        raise ValueError(
            problem + f'its roi extends beyond the edge: {roi.width} x {roi.height} at '
            f'{roi.x_offset}, {roi.y_offset}'
        )
    x, y = 1 / (message.binning_x or 1), 1 / (message.binning_y or 1)
    return Intrinsics(
        width * x,
        height * y,
        fx * x,
        fy * y,
        (cx - roi.x_offset + 0.5) * x - 0.5,
        (cy - roi.y_offset + 0.5) * y - 0.5,
    )
