"""Measure the error of head poses on rendered heads, and fit the probability of looking.

    PYTHONPATH=test python benchmarks/head_pose.py --heads 400 [--yunet FILE] [--portraits FOLDER]

The heads have known poses: a photograph is projected from the front on a surface with the features
of a face. Each person has proportions of its own, each head a place and a size, and each image
noise. The photograph is the astronaut of scikit-image; with `--portraits` there are as many as the
folder has images with one face that looks into the camera, and the same photographs, which are not
rendered, show how the estimates for such people vary.

Prints for each detector the errors, the landmarks relative to the distance of the eyes, and the
logistic function of `looking_probability` with the largest likelihood, and how well it is
calibrated for each detector; then the time per face.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
import math
from pathlib import Path
import sys
import time

import cv2
import numpy as np
from numpy.typing import NDArray
from rendered_head import (
    ASTRONAUT,
    CAMERA,
    landmarks,
    Portrait,
    render_head,
    rotation,
    Shape,
)
from scipy.optimize import minimize
import skimage.data

from face_classification_ros.commands.common import exit_code
from face_classification_ros.config import DetectorConfig
from face_classification_ros.detection import create_detector, Detector
from face_classification_ros.geometry.head_pose import (
    estimate_head_pose,
    forward,
    head_angles,
    looking_probability,
)
from face_classification_ros.geometry.positions import Intrinsics
from face_classification_ros.io.images import read_image
from face_classification_ros.progress import progress
from face_classification_ros.types import Image

YAW, PITCH, ROLL = 50.0, 25.0, 10.0
"""Largest yaw and pitch and standard deviation of the roll in degrees."""

USUAL_PITCH = 10.0
"""Standard deviation in degrees of the pitch of people, by which heads are weighted in the fit."""

EYE_DISTANCES = (15.0, 50.0)
"""Pixels between the eyes of the smallest and the largest head, whose faces are 30 to 110 wide."""

PER_PERSON = 8
"""Number of heads with the same proportions, which take some time to model."""

LOOKING = 15.0
"""Degrees up to which a head is turned to the camera."""


@dataclass
class Errors:
    """What a detector leads to.

    Attributes:
        heads: number of heads shown to it.
        yaw: true and estimated yaw in degrees, for each head found.
        pitch: the same for the pitch.
        directions: angles in degrees between true and estimated directions.
        to_camera: true and estimated angles in degrees to the direction of the camera.
        landmarks: errors of the five landmarks relative to the distance of the eyes.
    """

    heads: int = 0
    yaw: list[tuple[float, float]] = field(default_factory=list)
    pitch: list[tuple[float, float]] = field(default_factory=list)
    directions: list[float] = field(default_factory=list)
    to_camera: list[tuple[float, float]] = field(default_factory=list)
    landmarks: list[NDArray[np.float64]] = field(default_factory=list)


@dataclass(frozen=True)
class Head:
    """A rendered head.

    Attributes:
        image: of the camera.
        yaw: in degrees.
        pitch: in degrees.
        turn: rotation of the head, see `rendered_head.rotation`.
        place: of the middle of its eyes in meters.
        landmarks: in pixels.
    """

    image: Image
    yaw: float
    pitch: float
    turn: NDArray[np.float64]
    place: tuple[float, float, float]
    landmarks: NDArray[np.float64]


def heads(count: int, portraits: list[Portrait], seed: int) -> Iterator[Head]:
    """Yield random heads."""
    random = np.random.default_rng(seed)
    room = skimage.data.coffee()[..., ::-1]
    background = cv2.GaussianBlur(cv2.resize(room, (320, 240)), (0, 0), 6)
    for number in range(count):
        # People differ by about 5 % in these, and noses by more.
        shape = Shape(
            mouth_below=61 * random.normal(1, 0.05),
            mouth_width=53 * random.normal(1, 0.06),
            nose_below=35 * random.normal(1, 0.06),
            nose_forward=30 * random.normal(1, 0.1),
        )
        yaw, pitch = random.uniform(-YAW, YAW), random.uniform(-PITCH, PITCH)
        turn = rotation(yaw, pitch, random.normal(0, ROLL))
        distance = CAMERA.fx * 0.063 / random.uniform(*EYE_DISTANCES)
        place = (
            distance * random.uniform(-0.25, 0.25),
            distance * random.uniform(-0.15, 0.15),
            distance,
        )
        portrait = portraits[number // PER_PERSON % len(portraits)]
        image = render_head(
            CAMERA, turn, place, shape=shape, portrait=portrait, background=background
        )
        noisy = image * random.uniform(0.6, 1.1) + random.normal(0, 4, image.shape)
        points = landmarks(CAMERA, turn, place, shape)
        image = np.clip(noisy, 0, 255).astype(np.uint8)
        yield Head(image, yaw, pitch, turn, place, points)


def measure(detector: Detector, head: Head, errors: Errors) -> None:
    """Add the errors of one head."""
    errors.heads += 1
    found = detector.detect(head.image)
    if not found:
        return
    detection = max(found, key=lambda each: each.box.area)
    pose = estimate_head_pose(detection.landmarks, CAMERA)
    assert pose is not None
    orientation = pose.orientation
    _, pitch, yaw = head_angles(orientation)
    errors.yaw.append((head.yaw, yaw))
    errors.pitch.append((head.pitch, pitch))
    to_camera = -np.array(head.place) / np.linalg.norm(head.place)
    errors.directions.append(degrees(forward(orientation) @ head.turn[:, 0]))
    errors.to_camera.append(
        (degrees(head.turn[:, 0] @ to_camera), degrees(forward(orientation) @ to_camera))
    )
    eyes = np.linalg.norm(head.landmarks[1] - head.landmarks[0]) / max(
        math.cos(math.radians(head.yaw)), 0.5
    )
    errors.landmarks.append(
        np.linalg.norm(np.array(detection.landmarks) - head.landmarks, axis=1) / eyes
    )


def degrees(cosine: float | NDArray[np.float64]) -> float:
    """Return the angle of a cosine in degrees."""
    return math.degrees(math.acos(min(max(float(cosine), -1.0), 1.0)))


def report(name: str, errors: Errors) -> None:
    """Print the errors of a detector."""
    print(f'{name}: {len(errors.yaw)} of {errors.heads} heads found')
    if len(errors.yaw) < 2:
        sys.exit(f'{name}: no line fits fewer than two heads; show more with --heads')
    yaw, pitch = np.array(errors.yaw), np.array(errors.pitch)
    directions = np.array(errors.directions)
    for low, high in ((0, 45), (0, 15), (15, 30), (30, 45)):
        chosen = (abs(yaw[:, 0]) >= low) & (abs(yaw[:, 0]) < high)
        if not chosen.any():
            print(f'  yaw {low:2} to {high}: no heads')
            continue
        yaw_errors = abs(yaw[chosen, 1] - yaw[chosen, 0])
        pitch_errors = abs(pitch[chosen, 1] - pitch[chosen, 0])
        print(
            f'  yaw {low:2} to {high}: median error of yaw {np.median(yaw_errors):4.1f}, of pitch '
            f'{np.median(pitch_errors):4.1f}, of the direction '
            f'{np.median(directions[chosen]):4.1f} (95 %: '
            f'{np.percentile(directions[chosen], 95):4.1f})'
        )
    slopes = [np.polyfit(each[:, 0], each[:, 1], 1) for each in (yaw, pitch)]
    print(
        '  estimate per true degree and offset: yaw {:.2f} {:+.1f}, pitch {:.2f} {:+.1f}'.format(
            *slopes[0], *slopes[1]
        )
    )
    each = np.median(np.array(errors.landmarks), axis=0) * 100
    print(f'  landmarks, % of the distance of the eyes: {np.round(each, 1).tolist()}')


def fit_looking(all_errors: dict[str, Errors]) -> None:
    """Print the logistic function of the estimated angle for the true one to be small."""
    pooled = np.array([pair for each in all_errors.values() for pair in each.to_camera])
    is_looking = pooled[:, 0] <= LOOKING
    pitch = np.array([pair[0] for each in all_errors.values() for pair in each.pitch])
    weights = np.exp(-0.5 * (pitch / USUAL_PITCH) ** 2)

    def loss(parameters: NDArray[np.float64]) -> float:
        median, scale = parameters
        exponent = (pooled[:, 1] - median) / scale
        losses = np.logaddexp(0, np.where(is_looking, exponent, -exponent))
        return float(np.average(losses, weights=weights))

    median, scale = minimize(loss, [15.0, 4.0], method='Nelder-Mead').x
    print(f'looking: median {median:.1f}, scale {scale:.1f} degrees, {len(pooled)} estimates')
    for name, errors in all_errors.items():
        y_true, estimated = np.array(errors.to_camera).T
        weights = np.exp(-0.5 * (np.array(errors.pitch)[:, 0] / USUAL_PITCH) ** 2)
        probability = 1 / (1 + np.exp((estimated - median) / scale))
        is_correct = (probability >= 0.5) == (y_true <= LOOKING)
        gap = 0.0
        for low in np.arange(0, 1, 0.2):
            bin_weights = weights * ((probability > low) & (probability <= low + 0.2))
            gap += abs(float(bin_weights @ (probability - (y_true <= LOOKING))))
        print(
            f'  {name}: accuracy {np.average(is_correct, weights=weights):.3f}, calibration error '
            f'{gap / weights.sum():.3f}'
        )


def portraits_in(folder: Path, detector: Detector) -> Iterator[Portrait]:
    """Yield the images of a folder that show one face, scaled to a useful size."""
    for path in sorted(folder.iterdir()):
        image = read_image(path)
        image = cv2.resize(image, None, fx=160 / len(image), fy=160 / len(image))
        image = cv2.copyMakeBorder(image, 60, 60, 60, 60, cv2.BORDER_REPLICATE)
        found = detector.detect(image)
        if len(found) == 1:
            yield Portrait(image, found[0].landmarks)


def report_portraits(name: str, detector: Detector, portraits: list[Portrait]) -> None:
    """Print how the poses of people who look into the camera vary."""
    angles = []
    for portrait in portraits:
        height, width = portrait.image.shape[:2]
        # A face fills most of a portrait, which is taken from about a meter.
        focal = width * 2.5
        camera = Intrinsics(width, height, focal, focal, width / 2, height / 2)
        found = detector.detect(portrait.image)
        if len(found) == 1 and (pose := estimate_head_pose(found[0].landmarks, camera)):
            angles.append(head_angles(pose.orientation)[1:])
    pitch, yaw = np.array(angles).T
    print(
        f'{name}: {len(angles)} portraits, yaw {np.median(yaw):+.1f} (standard deviation '
        f'{np.std(yaw):.1f}), pitch {np.median(pitch):+.1f} ({np.std(pitch):.1f})'
    )


def report_time(head: Head) -> None:
    """Print the time per face."""
    points = [tuple(each) for each in head.landmarks.tolist()]
    times = []
    for _ in range(2000):
        start = time.perf_counter()
        pose = estimate_head_pose(points, CAMERA)
        assert pose is not None
        looking_probability(pose.orientation, points, CAMERA)
        times.append(time.perf_counter() - start)
    print(f'time per face: median {np.median(times) * 1e3:.3f} ms, best {min(times) * 1e3:.3f} ms')


def main() -> None:
    """Measure all detectors that are available."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--heads', type=int, default=300, help='number of rendered heads')
    parser.add_argument('--yunet', default='', help='model file of YuNet')
    parser.add_argument('--portraits', type=Path, help='folder of portraits')
    parser.add_argument('--seed', type=int, default=0)
    options = parser.parse_args()
    models = {'libfacedetection': '', 'own': ''} | (
        {'yunet': options.yunet} if options.yunet else {}
    )
    detectors = {
        name: create_detector(
            DetectorConfig(detector=name, detector_model=model, detection_interval=1)
        )
        for name, model in models.items()
    }
    portraits = [ASTRONAUT]
    if options.portraits:
        portraits = list(portraits_in(options.portraits, detectors['libfacedetection']))
        for name, detector in detectors.items():
            report_portraits(name, detector, portraits)
    errors = {name: Errors() for name in detectors}
    for head in progress(
        heads(options.heads, portraits, options.seed), 'head', total=options.heads
    ):
        for name, detector in detectors.items():
            measure(detector, head, errors[name])
    for name, each in errors.items():
        report(name, each)
    fit_looking(errors)
    report_time(head)


if __name__ == '__main__':
    sys.exit(exit_code(main, Path(__file__).name))
