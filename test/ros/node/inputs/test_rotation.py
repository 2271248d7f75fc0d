"""Faces are found in the images of cameras that are mounted rotated."""

from __future__ import annotations

import numpy as np
import pytest
from ros_peers import box_of, Camera, HEAD, image_message, Peer, pixels_of
from sensor_msgs.msg import Image as ImageMessage

from face_classification_ros.config import ROTATIONS
from face_classification_ros.types import BoundingBox, Image, rotated_point

# Not square, so that sides cannot be confused.
SCENE: Image = np.ascontiguousarray(np.pad(HEAD, ((0, 0), (0, 60), (0, 0)), 'edge'))


def as_mounted(rotation: int) -> Image:
    """Return the scene as a camera sees it that must be rotated clockwise by `rotation`."""
    return np.ascontiguousarray(np.rot90(SCENE, rotation // 90))


def test_faces_are_in_pixels_of_the_rotated_image(camera: Camera, peer: Peer) -> None:
    """However the camera is mounted: equal estimates, with box and landmarks in its image.

    Another rotation resets the tracks; setting the same rotation does not.
    """
    height, width = SCENE.shape[:2]
    # A search around a known face finds a slightly different box.
    assert peer.set_parameter('detection_interval', 1).successful
    (expected,) = camera.result_of(image_message(SCENE)).faces
    tracks = [expected.track_id]
    for rotation in (*ROTATIONS[1:], 0):
        assert peer.set_parameter('rotation', rotation).successful
        result = camera.result_of(image_message(as_mounted(rotation)))
        assert (result.image_height, result.image_width) == as_mounted(rotation).shape[:2]
        (face,) = result.faces
        upright = -rotation % 360
        box = box_of(expected).rotated(upright, width, height)
        # Boxes are rounded to whole pixels, in a direction that depends on the rotation.
        assert np.allclose(_sides(box_of(face)), _sides(box), atol=1)
        for point, place in zip(face.landmarks, expected.landmarks, strict=True):
            x, y = rotated_point((place.x, place.y), upright, width, height)
            assert (point.x, point.y) == pytest.approx((x, y), abs=0.01)
        for one, other in zip(face.attributes, expected.attributes, strict=True):
            assert np.allclose(one.probabilities, other.probabilities, atol=0.02)
        tracks.append(face.track_id)
    assert len(set(tracks)) == len(tracks)
    assert peer.set_parameter('rotation', 0).successful
    (same,) = camera.result_of(image_message(SCENE)).faces
    assert same.track_id == tracks[-1]
    assert same.attributes[0].frame_count == 2


def test_annotated_image_is_rotated_and_explained_face_is_upright(
    camera: Camera, peer: Peer
) -> None:
    """The annotated image has the orientation of the camera."""
    annotated = peer.collect(ImageMessage, '/face_classification/image_annotated')
    explained = peer.collect(ImageMessage, '/face_classification/explanation')

    def shown(image: Image) -> tuple[Image, Image]:
        """Return the annotated image and the explained face."""

        def arrived() -> bool:
            header = camera.result_of(image_message(image)).header
            return bool(
                peer.happens(
                    lambda: all(
                        each and each[-1].header == header for each in (annotated, explained)
                    ),
                    timeout=0.5,
                )
            )

        peer.wait_for(arrived, 'annotated image and explanation')
        return pixels_of(annotated[-1]), pixels_of(explained[-1])[:, :240]

    # A search around a known face finds a slightly different box.
    assert peer.set_parameter('detection_interval', 1).successful
    _, upright = shown(SCENE)
    assert peer.set_parameter('rotation', 180).successful
    annotated_image, face = shown(as_mounted(180))
    # Boxes and labels change a part of it.
    assert np.mean((annotated_image != as_mounted(180)).any(2)) < 0.4
    assert _correlation(face, upright) > 0.95 > 0.8 > _correlation(face[::-1, ::-1], upright)


def _correlation(one: Image, other: Image) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def _sides(box: BoundingBox) -> tuple[float, ...]:
    return box.x, box.y, box.x + box.width, box.y + box.height
