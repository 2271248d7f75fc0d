"""The sample shows people who come, turn away, leave and come back, from photographs of others."""

from __future__ import annotations

import functools
import sys

from detection.detectors import create
import numpy as np
import pytest

from face_classification_ros.io.errors import UnreadableError
from face_classification_ros.io.portraits import data_folder, figure, Portrait, PORTRAITS, turned
from face_classification_ros.io.sample import DURATION, FPS, sample_credits, sample_frames
from face_classification_ros.types import Image


@functools.cache
def frames() -> list[Image]:
    """Return all frames of the sample."""
    return list(sample_frames())


def faces_at(seconds: float) -> list[int]:
    """Return the middle of each face that is found at a time, from left to right."""
    found = create('own', detection_size=640).detect(frames()[round(seconds * FPS)])
    return sorted(round(each.box.x + each.box.width / 2) for each in found)


def test_sample_has_its_size_and_length() -> None:
    """20 seconds of 640 x 480."""
    assert len(frames()) == DURATION * FPS
    assert {each.shape for each in frames()} == {(480, 640, 3)}
    assert {each.dtype for each in frames()} == {np.dtype(np.uint8)}


@pytest.mark.parametrize(
    ('seconds', 'count'), [(0.5, 0), (2.5, 1), (5.0, 2), (7.1, 1), (10.0, 2), (14.5, 2), (19.0, 3)]
)
def test_people_come_and_go(seconds: float, count: int) -> None:
    """From an empty room to three people; each of them can be detected."""
    assert len(faces_at(seconds)) == count


def test_face_is_lost_while_a_person_turns_away() -> None:
    """It is where it was before afterwards."""
    before, during, after = (faces_at(seconds) for seconds in (11.0, 12.7, 14.3))
    middle = 320
    assert any(abs(each - middle) < 40 for each in before)
    assert not any(abs(each - middle) < 80 for each in during)
    assert any(abs(each - middle) < 40 for each in after)


@pytest.mark.parametrize('name', PORTRAITS)
def test_person_is_cut_out(name: str) -> None:
    """The head is opaque, the corners above the shoulders and some of the rest are not."""
    person = figure(name)
    x, y, *_ = person.head
    assert person.opacity[round(y), round(x)] == 1
    assert person.opacity[0, 0] == person.opacity[0, -1] == 0
    assert 0.2 < person.opacity.mean() < 0.8


def test_turned_head_changes_nothing_else() -> None:
    """Shoulders stay, and a head that is not turned is the same as before."""
    person = figure('director')
    below = round(person.head[1] + person.head[3]) + 2
    away = turned(person, 60)
    np.testing.assert_array_equal(away.image[below:], person.image[below:])
    x, y = round(person.head[0]), round(person.head[1])
    assert np.abs(away.image[y, x].astype(int) - person.image[y, x]).max() > 10
    same = turned(person, 0).image[y - 20 : y + 20, x - 20 : x + 20].astype(int)
    assert np.abs(same - person.image[y - 20 : y + 20, x - 20 : x + 20]).max() <= 2


def test_every_photograph_has_a_free_license() -> None:
    """Which names the author."""
    credits = sample_credits()
    assert len(credits) == len(PORTRAITS)
    for credit in credits:
        _, author, license_name = credit.split(', ')
        assert author
        assert license_name == 'public domain' or license_name.startswith('CC BY')


def test_missing_package_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample needs an extra that not everybody has installed."""
    monkeypatch.setitem(sys.modules, 'thumbor', None)
    with pytest.raises(ImportError, match=r'pip install .*thumbor'):
        data_folder('thumbor')


def test_photograph_that_is_gone_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later version of its package may have others."""
    gone = Portrait('thumbor', 'gone.jpg', (0, 0, 9, 9), (0, 0, 1, 1), '')
    monkeypatch.setitem(PORTRAITS, 'gone', gone)
    with pytest.raises(UnreadableError):
        figure('gone')
