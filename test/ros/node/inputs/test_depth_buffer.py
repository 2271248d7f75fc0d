"""The depth image that belongs to an image is found by the stamps."""

from __future__ import annotations

from depth_messages import wall
import pytest
from std_msgs.msg import Header

from face_classification_ros.ros.conversions.depth import depth_from_message
from face_classification_ros.ros.conversions.messages import time_message
from face_classification_ros.ros.node.inputs.depth_buffer import DepthBuffer, NOMINAL_FRAME_TIME


def header(stamp: float, frame_id: str = 'head_camera') -> Header:
    """Return a header."""
    return Header(stamp=time_message(stamp), frame_id=frame_id)


def buffer_of(*stamps: float) -> DepthBuffer:
    """Return a buffer of depth images whose distance is their stamp."""
    buffer = DepthBuffer()
    for stamp in stamps:
        buffer.add(header(stamp), depth_from_message(wall(1, 1, stamp)))
    return buffer


@pytest.mark.parametrize(
    'stamp, expected',
    [(10.2, 10.2), (10.14, 10.1), (10.16, 10.2), (10.45, 10.4), (10.505, 10.4), (9.95, 10.0)],
)
def test_nearest_depth_image_is_found(stamp: float, expected: float) -> None:
    """Before or after the image, within one frame time of 0.1 s."""
    found = buffer_of(10.0, 10.1, 10.2, 10.3, 10.4).nearest(header(stamp))
    assert found.values[0, 0] == pytest.approx(expected)


def test_newest_of_equal_stamps_is_found() -> None:
    """As of cameras whose stamps are zero."""
    buffer = DepthBuffer()
    for distance in (1.0, 2.0, 3.0):
        buffer.add(header(0.0), depth_from_message(wall(1, 1, distance)))
    assert buffer.nearest(header(0.0)).values[0, 0] == 3.0


@pytest.mark.parametrize('stamp', [10.55, 10.7, 9.8])
def test_no_depth_image_is_found_beyond_one_frame_time(stamp: float) -> None:
    """The error has both times."""
    with pytest.raises(LookupError, match=r'is 0\.\d+ s away.*one frame time, 0\.100 s'):
        buffer_of(10.0, 10.1, 10.2, 10.3, 10.4).nearest(header(stamp))


def test_frame_time_is_measured() -> None:
    """A lost image or a pause does not change it, and it is limited for slow cameras."""
    assert buffer_of().frame_time == buffer_of(5.0).frame_time == NOMINAL_FRAME_TIME
    assert buffer_of(1.0, 1.03, 1.06, 1.12, 1.15).frame_time == pytest.approx(0.03)
    assert buffer_of(1.0, 1.2, 1.4, 60.0).frame_time == pytest.approx(0.2)
    assert buffer_of(0.0, 10.0, 20.0).frame_time == 1.0


def test_old_depth_images_are_dropped() -> None:
    """Only the newest are kept, and none from before time jumped back."""
    with pytest.raises(LookupError):
        buffer_of(*(10.0 + i / 10 for i in range(20))).nearest(header(10.0))
    with pytest.raises(LookupError):
        buffer_of(10.0, 10.1, 2.0, 2.1).nearest(header(10.1))


def test_depth_in_another_frame_is_rejected() -> None:
    """It is not registered to the image; an empty frame id is accepted."""
    buffer = buffer_of(10.0)
    with pytest.raises(ValueError, match='frame head_camera, the image in other'):
        buffer.nearest(header(10.0, 'other'))
    assert buffer.nearest(header(10.0, '')).values[0, 0] == 10.0
