"""The fixture `face_replay` replays recordings in tests of robots."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import subprocess
import sys

import pytest
from recordings import COUNT, DEPTH_TOPIC, IMAGE_TOPIC, INFO_TOPIC, write_depth_bag
from ros_peers import TIMEOUT

pytest.importorskip('pydantic', reason='needs the extra [replay]')

from face_classification_ros.io.errors import UnreadableError
from face_classification_ros.ros.replay.expectation import ExpectationError
from face_classification_ros.ros.replay.pytest_plugin import FaceReplay

MakeBag = Callable[..., Path]

EXPECTATION = {
    'faces': [{'to': 0.85, 'min': 1, 'max': 1}, {'from': 0.85, 'max': 0}],
    'tracks': [{'min': 1, 'max': 1}],
    'labels': [{'to': 0.85, 'attributes': {'gender': 'woman'}, 'min_fraction': 0.5}],
    'boxes': [{'at': 0, 'box': [58, 63, 90, 113]}],
}
"""Of the frames of `make_bag`."""


def test_fixture_returns_faces(face_replay: FaceReplay, make_bag: MakeBag) -> None:
    """It exists once the package is installed."""
    result = face_replay(make_bag(), expect=EXPECTATION, parameters={'attributes': ['gender']})
    face = result.frames[0].faces[0]
    assert {name: each.label for name, each in face.attributes.items()} == {'gender': 'woman'}


def test_fixture_uses_the_node_on_request(
    face_replay: FaceReplay, make_bag: MakeBag, online: None
) -> None:
    """With the latencies of the node."""
    result = face_replay(make_bag(), expect=EXPECTATION, online=True, rate=10.0)
    assert len(result.frames) == COUNT
    assert all(frame.latency for frame in result.frames)


def test_fixture_replays_depth(face_replay: FaceReplay, tmp_path: Path) -> None:
    """Faces have positions."""
    path = write_depth_bag(tmp_path / 'bag', 500)
    result = face_replay(path, topic=IMAGE_TOPIC, depth=DEPTH_TOPIC, camera_info=INFO_TOPIC)
    assert result.frames[0].faces[0].position is not None


def test_expectation_is_read_from_a_file(
    face_replay: FaceReplay, make_bag: MakeBag, tmp_path: Path
) -> None:
    """An invalid one raises an error."""
    file = tmp_path / 'expect.yaml'
    file.write_text('faces: [{to: 0.85, min: 1}]')
    face_replay(make_bag(), expect=file)
    file.write_text('faces: [{to: 0.85}]')
    with pytest.raises(ExpectationError):
        face_replay(make_bag(), expect=file)


def test_expected_attribute_without_a_model_raises_an_error(face_replay: FaceReplay) -> None:
    """Before the recording is opened."""
    labels = [{'attributes': {'hat': 'red'}, 'min_fraction': 0.5}]
    with pytest.raises(ExpectationError) as caught:
        face_replay('missing', expect={'labels': labels})
    assert [each.code for each in caught.value.problems] == ['unknown_attribute']


def test_unreadable_bag_raises_an_error(face_replay: FaceReplay, tmp_path: Path) -> None:
    """The test of the robot fails with the reason."""
    with pytest.raises(UnreadableError) as caught:
        face_replay(tmp_path)
    assert caught.value.path == tmp_path


def test_differences_fail_the_test_of_a_robot(make_bag: MakeBag, tmp_path: Path) -> None:
    """Without a traceback through this package; other tests do not load ROS."""
    (tmp_path / 'conftest.py').write_text(
        "pytest_plugins = ['face_classification_ros.ros.replay.pytest_plugin']\n"
    )
    (tmp_path / 'test_robot.py').write_text(
        'import sys\n'
        'def test_other():\n'
        '    assert "rclpy" not in sys.modules and "cv2" not in sys.modules\n'
        'def test_people(face_replay):\n'
        f'    face_replay({str(make_bag())!r}, expect={{"faces": [{{"min": 2}}]}})\n'
    )
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=2 * TIMEOUT,
    )
    assert done.returncode == 1, done.stdout
    assert '1 failed, 1 passed' in done.stdout
    assert 'faces[0]: expected ' in done.stdout
    assert 'Traceback' not in done.stdout
