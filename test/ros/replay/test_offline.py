"""Recordings are replayed without a node, with reproducible results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from recordings import (
    COUNT,
    DEPTH_TOPIC,
    FPS,
    IMAGE_TOPIC,
    INFO_TOPIC,
    moving_face,
    write_depth_bag,
)
from ros_peers import TIMEOUT
from video_files import write_timed_video

from face_classification_ros.config import SettingError
from face_classification_ros.io.bags import TopicError
from face_classification_ros.io.videos import VideoFile
from face_classification_ros.ros.replay.replay import replay, ReplayOptionError, ReplayOptions

MakeBag = Callable[..., Path]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('compressed', [False, True])
def test_storages_and_message_types_are_replayed(
    storage: str, compressed: bool, make_bag: MakeBag
) -> None:
    """The face has one track in all images that show it."""
    path = make_bag(storage, compressed=compressed)
    result = replay(ReplayOptions(path, offline=True))
    assert [len(frame.faces) for frame in result.frames] == [1] * 9 + [0] * 3
    assert [frame.frame for frame in result.frames] == list(range(COUNT))
    assert {frame.file for frame in result.frames} == {str(path)}
    assert {face.track_id for frame in result.frames for face in frame.faces} == {'1'}
    times = np.array([frame.stamp for frame in result.frames])
    assert times - times[0] == pytest.approx(np.arange(COUNT) / FPS)
    boxes = [frame.faces[0].detection.box for frame in result.frames[:9]]
    assert boxes[-1].x - boxes[0].x == pytest.approx(64, abs=10)


def test_faces_have_the_attributes_of_the_models(make_bag: MakeBag) -> None:
    """Those of the default model, or those that a parameter chooses."""
    options = ReplayOptions(make_bag(), offline=True)
    face = replay(options).frames[0].faces[0]
    assert list(face.attributes) == ['gender', 'emotion', 'age']
    assert face.attributes['gender'].label == 'woman'
    options = ReplayOptions(make_bag(), parameters=['attributes:=[emotion]'], offline=True)
    assert list(replay(options).frames[0].faces[0].attributes) == ['emotion']


PROGRAM = """
from pathlib import Path
import sys
from face_classification_ros.ros.replay.replay import replay, ReplayOptions
replay(ReplayOptions(Path(sys.argv[1]), offline=True), Path(sys.argv[2]))
"""


def test_runs_are_identical_to_the_last_bit(make_bag: MakeBag, tmp_path: Path) -> None:
    """Bag and JSON of two processes have the same bytes."""
    for run in ('one', 'two'):
        subprocess.run(
            [sys.executable, '-c', PROGRAM, make_bag(), tmp_path / run / 'bag'],
            cwd='/',
            check=True,
            timeout=2 * TIMEOUT,
        )
    one, two = (sorted((tmp_path / run / 'bag').iterdir()) for run in ('one', 'two'))
    assert [path.name for path in one] == ['bag.mcap', 'faces.json', 'metadata.yaml']
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_video_is_replayed_like_a_bag(tmp_path: Path) -> None:
    """Its frames have stamps by its rate."""
    path = tmp_path / 'video.mp4'
    video = VideoFile(path, FPS)
    for frame in moving_face():
        video.write(frame)
    video.close()
    frames = replay(ReplayOptions(path, offline=True)).frames
    assert [len(frame.faces) for frame in frames[:8]] == [1] * 8
    assert frames[1].stamp - frames[0].stamp == pytest.approx(0.1)


def test_a_gap_in_a_video_is_replayed_as_long_as_it_was(tmp_path: Path) -> None:
    """A face that was away for 3 s gets a new track."""
    path = tmp_path / 'video.mp4'
    stamps = [0.0, 0.1, 3.1, 3.2]
    write_timed_video(path, [next(moving_face())] * len(stamps), stamps)
    frames = replay(ReplayOptions(path, offline=True)).frames
    assert [frame.stamp - frames[0].stamp for frame in frames] == pytest.approx(stamps)
    assert [face.track_id for frame in frames for face in frame.faces] == ['1', '1', '2', '2']


@pytest.mark.parametrize(
    ('distance', 'is_size_plausible'), [(500, True), (2000, False)], ids=['near', 'too far']
)
def test_faces_get_positions_from_depth(
    distance: int, is_size_plausible: bool, tmp_path: Path
) -> None:
    """A face of this size cannot be two meters away."""
    options = ReplayOptions(
        write_depth_bag(tmp_path / 'bag', distance),
        topic=IMAGE_TOPIC,
        depth=DEPTH_TOPIC,
        camera_info=INFO_TOPIC,
        offline=True,
    )
    frames = replay(options).frames
    assert [len(frame.faces) for frame in frames] == [1, 1, 1, 0, 0, 0]
    for frame in frames[:3]:
        (face,) = frame.faces
        assert face.position is not None
        assert face.position[2] == distance / 1000
        assert face.is_size_plausible == is_size_plausible


def test_without_depth_topic_no_positions(tmp_path: Path) -> None:
    """Depth images are in the bag, but not replayed."""
    path = write_depth_bag(tmp_path / 'bag', 500)
    frames = replay(ReplayOptions(path, topic=IMAGE_TOPIC, offline=True)).frames
    assert frames[0].faces[0].position is None


def test_parameters_take_precedence_over_the_file(make_bag: MakeBag, tmp_path: Path) -> None:
    """The section of the node applies, those of other nodes do not."""
    file = tmp_path / 'robot.yaml'
    file.write_text(
        '/**/face_classification:\n'
        '  ros__parameters: {attributes: [gender], max_processing_rate: 5.0}\n'
        '/**/other: {ros__parameters: {attributes: [emotion]}}\n'
    )
    options = ReplayOptions(
        make_bag(), parameter_file=file, parameters=['max_processing_rate:=0.0'], offline=True
    )
    result = replay(options)
    assert len(result.frames) == COUNT
    assert list(result.frames[0].faces[0].attributes) == ['gender']


# Invalid options


@pytest.mark.parametrize('rate', [0.0, -1.0, float('nan'), float('inf')])
def test_rate_must_be_positive(rate: float, make_bag: MakeBag) -> None:
    """It is a factor to the speed of the recording."""
    with pytest.raises(ReplayOptionError) as caught:
        replay(ReplayOptions(make_bag(), rate=rate))
    assert caught.value.option == 'rate'


def test_offline_replay_uses_no_node(make_bag: MakeBag) -> None:
    """The two options contradict each other."""
    with pytest.raises(ReplayOptionError) as caught:
        replay(ReplayOptions(make_bag(), node='/face_classification', offline=True))
    assert caught.value.option == 'node'


@pytest.mark.parametrize('option', ['depth', 'camera_info'])
def test_video_has_no_other_topics(option: str) -> None:
    """Only a bag has depth images."""
    topics: dict[str, Any] = {option: '/depth'}
    with pytest.raises(ReplayOptionError) as caught:
        replay(ReplayOptions(Path('video.mp4'), offline=True, **topics))
    assert caught.value.option == option


@pytest.mark.parametrize(
    ('options', 'available'),
    [({'topic': '/other'}, ('/camera/image_raw/compressed',)), ({'depth': '/depth'}, ())],
)
def test_missing_topic_is_rejected(
    options: dict[str, Any], available: tuple[str, ...], make_bag: MakeBag
) -> None:
    """The error has the available topics of the right type."""
    with pytest.raises(TopicError) as caught:
        replay(ReplayOptions(make_bag(), offline=True, **options))
    assert caught.value.available == available


@pytest.mark.parametrize(
    ('assignment', 'name'),
    [
        ('smoothing_time:=text', 'smoothing_time'),
        ('detection_size:=9', 'detection_size'),
        ('rotation:=45', 'rotation'),
        ('detector:=eye', 'detector'),
        ('unknown_threshold.gender:=2', 'unknown_threshold.gender'),
        ('unknown_threshold.height:=0.5', 'unknown_threshold.height'),
        ('image_transport:=raw', 'image_transport'),
    ],
)
def test_invalid_parameter_is_rejected(assignment: str, name: str, make_bag: MakeBag) -> None:
    """As the node would reject it, or since the replay sets it."""
    with pytest.raises(SettingError) as caught:
        replay(ReplayOptions(make_bag(), parameters=[assignment], offline=True))
    assert caught.value.name == name


@pytest.mark.parametrize('assignment', ['smoothing_time', 'smoothing:=1.0'])
def test_assignment_of_no_parameter_is_rejected(assignment: str, make_bag: MakeBag) -> None:
    """Without a value, or with an unknown name."""
    with pytest.raises(ValueError, match=assignment.partition(':=')[0]):
        replay(ReplayOptions(make_bag(), parameters=[assignment], offline=True))


def test_missing_parameter_file_is_rejected(make_bag: MakeBag) -> None:
    """Before anything starts."""
    with pytest.raises(FileNotFoundError, match=r'missing\.yaml'):
        replay(ReplayOptions(make_bag(), parameter_file=Path('/missing.yaml')))


def test_target_frame_is_rejected(make_bag: MakeBag) -> None:
    """No transforms are played, so that positions would be in another frame than asked for."""
    options = ReplayOptions(make_bag(), parameters=['target_frame:=map'], offline=True)
    with pytest.raises(SettingError) as caught:
        replay(options)
    assert caught.value.name == 'target_frame'
