"""Cameras that stand on their head or lie on their side, with the node as a process."""

from __future__ import annotations

import numpy as np
import pytest
from ros_peers import box_of, Camera, HEAD, image_message, Peer
from sensor_msgs.msg import Image as ImageMessage

from face_classification_ros.types import BoundingBox, Image, rotated_point, ROTATIONS

# Not square, so that sides cannot be mixed up unnoticed.
SCENE: Image = np.ascontiguousarray(np.pad(HEAD, ((0, 0), (0, 60), (0, 0)), 'edge'))


def as_mounted(rotation: int) -> Image:
    """Give the scene as a camera sees it that must be turned clockwise by so much."""
    return np.ascontiguousarray(np.rot90(SCENE, rotation // 90))


def pixels_of(message: ImageMessage) -> Image:
    """Give the pixels of a bgr8 message."""
    return np.frombuffer(bytes(message.data), np.uint8).reshape(message.height, message.width, 3)


def test_faces_are_told_in_the_picture_as_it_came(camera: Camera, peer: Peer) -> None:
    """However the camera is mounted: same answer, box and landmarks at their place in its picture.

    A change ends the tracks, as nobody is where they were; one that changes nothing does not.
    """
    height, width = SCENE.shape[:2]
    # A box that is found near a known one is a little different.
    assert peer.set_parameter('detection_interval', 1).successful
    (expected,) = camera.ask(image_message(SCENE)).faces
    tracks = [expected.track_id]
    for rotation in (*ROTATIONS[1:], 0):
        assert peer.set_parameter('rotation', rotation).successful
        answer = camera.ask(image_message(as_mounted(rotation)))
        assert (answer.image_height, answer.image_width) == as_mounted(rotation).shape[:2]
        (face,) = answer.faces
        upright = -rotation % 360
        place = box_of(expected).rotated(upright, width, height)
        # A region has whole pixels; which way they are rounded turns with the picture.
        assert np.allclose(_sides(box_of(face)), _sides(place), atol=1)
        for point, other in zip(face.landmarks, expected.landmarks, strict=True):
            x, y = rotated_point((other.x, other.y), upright, width, height)
            assert (point.x, point.y) == pytest.approx((x, y), abs=0.01)
        assert np.allclose(face.gender.probabilities, expected.gender.probabilities, atol=0.02)
        assert np.allclose(face.emotion.probabilities, expected.emotion.probabilities, atol=0.02)
        tracks.append(face.track_id)
    assert len(set(tracks)) == len(tracks)
    assert peer.set_parameter('rotation', 0).successful
    (same,) = camera.ask(image_message(SCENE)).faces
    assert same.track_id == tracks[-1]
    assert same.gender.frame_count == 2


def test_annotated_picture_stays_as_it_came_and_the_explained_face_stands_upright(
    camera: Camera, peer: Peer
) -> None:
    """The first is compared with the camera's own picture, the second is looked at."""
    annotated = peer.collect(ImageMessage, '/face_classification/image_annotated')
    explained = peer.collect(ImageMessage, '/face_classification/explanation')

    def shown(image: Image) -> tuple[Image, Image]:
        """Give the annotated picture and the explained face."""

        def arrived() -> bool:
            header = camera.ask(image_message(image)).header
            return bool(
                peer.happens(
                    lambda: all(
                        each and each[-1].header == header for each in (annotated, explained)
                    ),
                    timeout=0.5,
                )
            )

        peer.wait_for(arrived, 'annotated picture and explanation')
        return pixels_of(annotated[-1]), pixels_of(explained[-1])[:, :240]

    # A box that is found near a known one is a little different.
    assert peer.set_parameter('detection_interval', 1).successful
    _, upright = shown(SCENE)
    assert peer.set_parameter('rotation', 180).successful
    picture, face = shown(as_mounted(180))
    # Box and label change some of it.
    assert np.mean((picture != as_mounted(180)).any(2)) < 0.4
    assert _likeness(face, upright) > 0.95 > 0.8 > _likeness(face[::-1, ::-1], upright)


def _likeness(one: Image, other: Image) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def _sides(box: BoundingBox) -> tuple[float, ...]:
    return box.x, box.y, box.x + box.width, box.y + box.height
