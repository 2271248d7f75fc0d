"""The demo prints the faces of any attributes, and its camera reports what it cannot open."""

import os
from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest
from ros_peers import Peer, RELIABLE
from sensor_msgs.msg import Image as ImageMessage
from video_files import write_timed_video

from face_classification_ros.io.errors import UnreadableError
from face_classification_ros.ros.demo.demo import faces_text
from face_classification_ros.ros.demo.sample_camera import CameraError, main, open_source
from face_classification_ros.types import AttributeEstimate, BoundingBox, Detection, Face


def face(track_id: str, **labels: str) -> Face:
    """Return a face with a probability of 80 % for each label."""
    probabilities = np.array([0.8, 0.2], np.float32)
    attributes = {
        name: AttributeEstimate((label, 'other'), probabilities, probabilities, 1, 0.5)
        for name, label in labels.items()
    }
    return Face(Detection(BoundingBox(0, 0, 10, 10), 0.9), attributes, track_id)


def test_faces_are_printed_in_one_line() -> None:
    """With track id, and name and label of all attributes, whichever they are."""
    text = faces_text([face('3', hat='cap', mood='calm'), face('4', hat='none')])
    assert text == '[3] hat cap 80%, mood calm 80%   [4] hat none 80%'


def test_face_without_attributes_is_printed() -> None:
    """By its track id alone."""
    assert faces_text([face('1')]) == '[1]'
    assert faces_text([]) == 'no face'


def test_camera_that_cannot_be_opened_is_an_error() -> None:
    """The error has its number."""
    with pytest.raises(CameraError) as caught, open_source('99'):
        pass
    assert caught.value.number == 99


@pytest.mark.parametrize('content', ['ffconcat version 1.0\nfile a.avi\n', '#EXTM3U\na.avi\n'])
def test_list_of_other_files_is_no_source(tmp_path: Path, content: str) -> None:
    """The camera checks videos as `classify` does."""
    path = tmp_path / 'list.mp4'
    path.write_text(content)
    with pytest.raises(UnreadableError) as caught, open_source(str(path)):
        pass
    assert caught.value.code == 'invalid'


@pytest.mark.parametrize('source', ['/missing.mp4', 'http://127.0.0.1/a.mp4', 'concat:a.ts|b.ts'])
def test_video_that_is_no_file_is_an_error(source: str) -> None:
    """Also an address or a protocol of FFmpeg."""
    with pytest.raises(UnreadableError) as caught, open_source(source):
        pass
    assert caught.value.code == 'system'


def test_camera_ends_with_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """And one line that names the source."""
    assert main(['camera', '/missing.mp4']) == 2
    (line,) = [each for each in capsys.readouterr().err.splitlines() if each.startswith('camera:')]
    assert '/missing.mp4' in line


@pytest.mark.parametrize(('options', 'gap'), [((), 1.0), (('--rate', '10'), 0.1)])
def test_camera_publishes_a_video_at_its_own_times(
    tmp_path: Path, domain: int, peer: Peer, options: tuple[str, ...], gap: float
) -> None:
    """A gap is as long as it was, unless the user chooses a rate."""
    stamps = [0.0, 0.1, 0.2, 0.3, 1.3, 1.4, 1.5, 1.6]
    path = tmp_path / 'a.mp4'
    write_timed_video(path, [np.zeros((48, 64, 3), np.uint8)] * len(stamps), stamps)
    images = peer.collect(ImageMessage, '/image', RELIABLE)
    with subprocess.Popen(
        [Path(sys.executable).parent / 'face_classification_camera', path, *options],
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain)},
    ) as camera:
        peer.wait_for(lambda: camera.poll() is not None, 'the end of the camera')
    assert camera.returncode == 0
    # The first and the last image may get lost, since the camera does not wait for them.
    times = [each.header.stamp.sec + each.header.stamp.nanosec * 1e-9 for each in images]
    assert max(np.diff(times)) == pytest.approx(gap, abs=0.4)
