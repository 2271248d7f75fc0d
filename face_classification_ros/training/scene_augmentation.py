"""Random training images for a detector: parts of scenes, changed, and mosaics of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import math

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from face_classification_ros.datasets.face_scenes import SceneRegion
from face_classification_ros.training.light import LightChanges
from face_classification_ros.types import BoundingBox, Image

MAX_ZOOM = 3.0
"""Largest magnification of a scene; beyond it, faces are only blurred."""

MIN_VISIBLE = 0.8
"""Part of the box of a face that is inside the image, below which its label is uncertain."""

MIRRORED_LANDMARKS = (1, 0, 2, 4, 3)
"""Right and left swapped, as a mirror image does."""

LabeledImage = tuple[Image, tuple[SceneRegion, ...]]


class SceneAugmentation(LightChanges):
    """Ranges of the random changes of a scene; the defaults only cut and resize it."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    min_face: float = Field(
        default=9.0, ge=4, le=1024, description='size in pixels of the smallest face'
    )
    max_face: float = Field(
        default=170.0, ge=4, le=1024, description='size in pixels of the largest face'
    )
    rotation: float = Field(
        default=0.0, ge=0, le=45, description='largest rotation in degrees, in either direction'
    )
    mirror: bool = Field(default=False, description='mirror every second image')
    mosaic: float = Field(
        default=0.0, ge=0, le=1, description='fraction of images that consist of four scenes'
    )
    gray: float = Field(default=0.0, ge=0, le=1, description='fraction of gray images')
    blur: float = Field(
        default=0.0, ge=0, le=1, description='fraction of images that are out of focus'
    )
    motion_blur: float = Field(
        default=0.0, ge=0, le=1, description='fraction of images with motion blur'
    )
    jpeg: float = Field(
        default=0.0, ge=0, le=1, description='fraction of images with artifacts of JPEG'
    )
    noise: float = Field(
        default=0.0, ge=0, le=1, description='fraction of images with noise of the sensor'
    )

    def cut(
        self,
        image: Image,
        regions: Sequence[SceneRegion],
        size: tuple[int, int],
        random: np.random.Generator,
    ) -> LabeledImage:
        """Return a random part of a scene around one of its faces.

        The logarithm of the size of this face is uniform between those of `min_face` and
        `max_face`, up to the size of the result and a magnification of `MAX_ZOOM`.

        Args:
            image: uint8 H x W x 3.
            regions: of the image.
            size: width and height of the result in pixels.
            random: source of all randomness.

        Returns:
            uint8 height x width x 3; the regions of which the center is inside, in its pixels. A
            face of which less than `MIN_VISIBLE` is inside becomes a region to ignore.
        """
        height, width = image.shape[:2]
        faces = [region.box for region in regions if region.use == 'face']
        if faces:
            box = faces[random.integers(len(faces))]
            face_size = math.sqrt(box.area)
            center = np.clip(box.center, 0, (width, height))
        else:
            face_size = max(width, height) / 4
            center = random.uniform(0, (width, height))
        largest = max(self.min_face, min(self.max_face, 0.9 * min(size)))
        wanted = math.exp(random.uniform(math.log(self.min_face), math.log(largest)))
        zoom = min(MAX_ZOOM, wanted / face_size)

        # Place the chosen face anywhere, with as little empty area as possible.
        scaled = np.array((width, height)) * zoom
        room = np.array(size) - scaled
        low = np.maximum(np.minimum(0, room), -center * zoom)
        high = np.minimum(np.maximum(0, room), size - center * zoom)
        target = random.uniform(low, np.maximum(low, high)) + center * zoom
        angle = random.uniform(-self.rotation, self.rotation)
        matrix = cv2.getRotationMatrix2D((float(center[0]), float(center[1])), angle, zoom)
        matrix[:, 2] += target - center
        mirrored = self.mirror and random.random() < 0.5
        if mirrored:
            matrix[0] *= -1
            matrix[0, 2] += size[0]
        background = random.integers(0, 256, 3).tolist()
        cut = _warp(image, matrix, zoom, size, background)
        moved = (_move(region, matrix, zoom, mirrored) for region in regions)
        return cut, tuple(_cut_off(region, size) for region in moved if _is_inside(region, size))

    def change_levels(self, image: Image, random: np.random.Generator) -> Image:
        """Return an image, uint8 H x W x 3, with random light, colors, sharpness and noise."""
        image = cv2.LUT(image, self.random_levels(random))
        if random.random() < self.gray:
            image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        if random.random() < self.blur:
            image = cv2.GaussianBlur(image, (0, 0), random.uniform(0.5, 2.0))
        if random.random() < self.motion_blur:
            kernel = _motion_kernel(int(random.integers(3, 12)), random.uniform(0, 180))
            image = cv2.filter2D(image, -1, kernel)
        if random.random() < self.noise:
            deviation = random.uniform(2, 12)
            noise = random.standard_normal(image.shape, np.float32) * np.float32(deviation)
            image = np.clip(image + noise, 0, 255).astype(np.uint8)
        if random.random() < self.jpeg:
            quality = int(random.integers(25, 90))
            _, encoded = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])
            image = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
        return np.asarray(image, np.uint8)

    def compose_mosaic(
        self, scenes: Sequence[LabeledImage], size: int, random: np.random.Generator
    ) -> LabeledImage:
        """Return an image of parts of four scenes, `size` x `size`, see `cut`."""
        middle_x, middle_y = (round(size * random.uniform(0.35, 0.65)) for _ in range(2))
        composed = np.empty((size, size, 3), np.uint8)
        regions: list[SceneRegion] = []
        corners = ((0, 0), (middle_x, 0), (0, middle_y), (middle_x, middle_y))
        for (image, labels), (x, y) in zip(scenes, corners, strict=True):
            width = size - middle_x if x else middle_x
            height = size - middle_y if y else middle_y
            part, moved = self.cut(image, labels, (width, height), random)
            composed[y : y + height, x : x + width] = part
            regions += [_shift(region, x, y) for region in moved]
        return composed, tuple(regions)


def _warp(
    image: Image,
    matrix: NDArray[np.float64],
    zoom: float,
    size: tuple[int, int],
    background: Sequence[int],
) -> Image:
    """Transform an image by a matrix for coordinates in which pixel 0 extends from 0 to 1."""
    matrix = matrix.copy()
    if zoom < 0.6:
        # Bilinear interpolation would skip pixels at such a reduction.
        height, width = image.shape[:2]
        smaller = max(1, round(width * zoom)), max(1, round(height * zoom))
        image = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA)
        matrix[:, :2] /= np.array([smaller[0] / width, smaller[1] / height])
    # OpenCV's coordinates are those of pixel centers.
    matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    warped = cv2.warpAffine(
        image, matrix, size, borderMode=cv2.BORDER_CONSTANT, borderValue=background
    )
    return np.asarray(warped, np.uint8)


def _move(
    region: SceneRegion, matrix: NDArray[np.float64], zoom: float, mirrored: bool
) -> SceneRegion:
    """Transform a region; its box turns with its center, but stays upright."""
    x, y = matrix @ (*region.box.center, 1)
    width, height = region.box.width * zoom, region.box.height * zoom
    points = [tuple((matrix @ (*point, 1)).tolist()) for point in region.landmarks]
    if mirrored and points:
        points = [points[i] for i in MIRRORED_LANDMARKS]
    box = BoundingBox(float(x) - width / 2, float(y) - height / 2, width, height)
    return SceneRegion(box, region.use, tuple(points))


def _shift(region: SceneRegion, x: float, y: float) -> SceneRegion:
    points = tuple((each_x + x, each_y + y) for each_x, each_y in region.landmarks)
    return SceneRegion(region.box.translated(x, y), region.use, points)


def _cut_off(region: SceneRegion, size: tuple[int, int]) -> SceneRegion:
    """Return the region, as one to ignore if too little of a face is left."""
    visible = region.box.clipped(*size).area / region.box.area
    if region.use == 'face' and visible < MIN_VISIBLE:
        return replace(region, use='ignore')
    return region


def _is_inside(region: SceneRegion, size: tuple[int, int]) -> bool:
    x, y = region.box.center
    return 0 <= x < size[0] and 0 <= y < size[1]


def _motion_kernel(length: int, angle: float) -> NDArray[np.float32]:
    """Return a kernel that averages over a line, `length` pixels long, at `angle` degrees."""
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    center = ((length - 1) / 2, (length - 1) / 2)
    turned = cv2.warpAffine(kernel, cv2.getRotationMatrix2D(center, angle, 1), (length, length))
    total = turned.sum()
    return np.asarray(turned / total, np.float32)
