"""Recordings replayed: through real nodes at several rates, offline, recorded and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
import json
import os
from pathlib import Path
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from ros_peers import HEAD, NodeProcess, Peer, TIMEOUT

pytest.importorskip('rosbags', reason='needs the extra [replay]')
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image as ImageMessage
import yaml

from face_classification_ros.commands.main import main
from face_classification_ros.inference.model_zoo import executable, share_folder
from face_classification_ros.io.files import UnreadableError, VideoFile
from face_classification_ros.ros.bags import write_sample
from face_classification_ros.ros.replay import bag_player
from face_classification_ros.ros.replay.pytest_plugin import Replay
from face_classification_ros.ros.replay.replay import collect, ReplayOptions
from face_classification_ros.ros.replay.result import ReplayResult
from face_classification_ros.types import Image

TYPES = get_typestore(Stores.ROS2_JAZZY)
FPS = 10.0
PICTURES = 12

MakeBag = Callable[..., Path]


def frames(count: int = PICTURES) -> Iterator[Image]:
    """Give pictures of a face that moves to the right; the last three are empty."""
    for number in range(count):
        frame: Image = np.full((240, 320, 3), 128, np.uint8)
        if number < count - 3:
            x = 10 + 8 * number
            frame[20:220, x : x + 200] = HEAD
        yield frame


@pytest.fixture(scope='module')
def make_bag(tmp_path_factory: pytest.TempPathFactory) -> MakeBag:
    """Give a function that records the frames; what was recorded once is not again."""
    folder = tmp_path_factory.mktemp('bags')

    def make(storage: str = 'mcap', *, compressed: bool = True) -> Path:
        path = folder / f'{storage}_{compressed}'
        if not path.exists():
            write_sample(path, frames(), FPS, storage, compressed=compressed)
        return path

    return make


@pytest.fixture
def online(domain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep replays through the node in a domain of their own."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))


def without_latency(result: ReplayResult) -> ReplayResult:
    """Give a result without what differs from run to run."""
    pictures = [replace(picture, latency=None) for picture in result.pictures]
    return replace(result, pictures=pictures)


def command(*arguments: str | Path) -> int:
    """Run the command in this process, and give its exit code."""
    return main(['replay', *map(str, arguments)])


# Offline


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('compressed', [False, True])
def test_both_storages_and_kinds_of_pictures_are_replayed(
    storage: str, compressed: bool, make_bag: MakeBag
) -> None:
    """The face is followed through all pictures that have it."""
    result = collect(ReplayOptions(make_bag(storage, compressed=compressed), offline=True))
    assert [len(picture.faces) for picture in result.pictures] == [1] * 9 + [0] * 3
    assert {face.track_id for picture in result.pictures for face in picture.faces} == {'1'}
    assert [picture.time for picture in result.pictures] == pytest.approx(np.arange(12) / 10)
    boxes = [picture.faces[0].box for picture in result.pictures[:9]]
    assert boxes[-1].x - boxes[0].x == pytest.approx(64, abs=10)


def test_offline_runs_are_identical_to_the_last_bit(make_bag: MakeBag, tmp_path: Path) -> None:
    """Bags and JSON of two processes have the same bytes."""
    for run in ('one', 'two'):
        done = subprocess.run(
            [
                *(executable('face_classification'), 'replay', make_bag()),
                *('--offline', '--record', tmp_path / run / 'bag'),
            ],
            cwd='/',
            capture_output=True,
            text=True,
            timeout=2 * TIMEOUT,
        )
        assert done.returncode == 0, done.stderr
    one, two = (sorted((tmp_path / run / 'bag').iterdir()) for run in ('one', 'two'))
    assert [path.name for path in one] == ['bag.mcap', 'faces.json', 'metadata.yaml']
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_a_video_is_replayed_like_a_bag(tmp_path: Path) -> None:
    """Whoever has no bag yet can test with a film."""
    path = tmp_path / 'film.mp4'
    video = VideoFile(path, FPS)
    for frame in frames():
        video.write(frame)
    video.close()
    result = collect(ReplayOptions(path, offline=True))
    assert [len(picture.faces) for picture in result.pictures[:8]] == [1] * 8
    assert result.pictures[1].time == pytest.approx(0.1)


# Through the node


@pytest.mark.parametrize(
    'storage, compressed, rate',
    [('mcap', True, 0.5), ('sqlite3', False, 1.0), ('mcap', True, 4.0)],
)
def test_the_node_gives_the_same_at_any_rate_as_without_it(
    storage: str, compressed: bool, rate: float, make_bag: MakeBag, online: None
) -> None:
    """Faces, tracks, probabilities and landmarks are equal, and no picture is lost."""
    options = ReplayOptions(make_bag(storage, compressed=compressed), rate=rate)
    result = collect(options)
    assert len(result.pictures) == PICTURES
    assert all(picture.latency is not None for picture in result.pictures)
    assert without_latency(result) == collect(replace(options, offline=True))


def test_time_and_the_other_topics_of_the_recording_are_played(
    domain: int, peer: Peer, tmp_path: Path
) -> None:
    """Whoever runs beside the node with use_sim_time lives in the time of the recording."""
    path = tmp_path / 'bag'
    write_robot_bag(path)
    clocks: list[Clock] = peer.collect(Clock, '/clock')
    depths: list[ImageMessage] = peer.collect(ImageMessage, '/cam/depth')
    infos: list[CameraInfo] = peer.collect(CameraInfo, '/cam/camera_info')
    # A replay as short as this may be over before DDS has told us of it, or we hear a part alone.
    for _ in range(8):
        for heard in (clocks, depths, infos):
            heard.clear()
        process = subprocess.Popen(
            [
                *(executable('face_classification'), 'replay', path),
                *('--topic', '/cam/image', '--depth', '/cam/depth'),
                *('--camera-info', '/cam/camera_info', '--rate', '2'),
            ],
            cwd='/',
            env={**os.environ, 'ROS_DOMAIN_ID': str(domain)},
        )
        try:
            peer.wait_for(
                lambda run=process: run.poll() is not None, 'the end of the replay', 2 * TIMEOUT
            )
        finally:
            process.kill()
        assert process.wait() == 0
        peer.spin(0.2)
        if len(depths) == len(infos) == 6:
            break
    times = [each.clock.sec * 10**9 + each.clock.nanosec for each in clocks]
    assert times == sorted(times)
    assert times[0] <= START < times[-1] == START + 5 * 10**8
    # At half the period of the clock as `ros2 bag play` has it, or better, between the pictures.
    assert len(times) > 2 * len(depths)
    assert len(depths) == len(infos) == 6
    assert depths[0].encoding == '16UC1'


START = 1_700_000_000 * 10**9


def write_robot_bag(path: Path) -> None:
    """Record six pictures, a tenth of a second apart, each with depth and calibration."""
    types: Any = TYPES.types
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        kinds = {
            '/cam/camera_info': 'sensor_msgs/msg/CameraInfo',
            '/cam/depth': 'sensor_msgs/msg/Image',
            '/cam/image': 'sensor_msgs/msg/Image',
        }
        connections = {
            topic: writer.add_connection(topic, kind, typestore=TYPES)
            for topic, kind in kinds.items()
        }
        for number, frame in enumerate(frames(6)):
            time = START + number * 10**8
            stamp = types['builtin_interfaces/msg/Time'](sec=time // 10**9, nanosec=time % 10**9)
            header = types['std_msgs/msg/Header'](stamp=stamp, frame_id='camera')
            image = picture_of(frame, header, 'bgr8')
            depth = picture_of(np.full((240, 320), 2000, np.uint16), header, '16UC1')
            roi = types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
            info = types['sensor_msgs/msg/CameraInfo'](
                header=header,
                height=240,
                width=320,
                distortion_model='plumb_bob',
                d=np.zeros(5),
                k=np.array([300.0, 0, 160, 0, 300, 120, 0, 0, 1]),
                r=np.eye(3).ravel(),
                p=np.array([300.0, 0, 160, 0, 0, 300, 120, 0, 0, 0, 1, 0]),
                binning_x=0,
                binning_y=0,
                roi=roi,
            )
            for topic, message in zip(kinds, (info, depth, image), strict=True):
                data = TYPES.serialize_cdr(message, kinds[topic])
                writer.write(connections[topic], time, data)


def picture_of(pixels: np.ndarray, header: Any, encoding: str) -> Any:
    """Give a message of rosbags for pixels."""
    return TYPES.types['sensor_msgs/msg/Image'](
        header=header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=pixels.nbytes // pixels.shape[0],
        data=np.ascontiguousarray(pixels).view(np.uint8).ravel(),
    )


@pytest.mark.parametrize('offline', [True, False])
def test_pictures_without_faces_to_come_are_not_waited_for(
    offline: bool, online: None, tmp_path: Path
) -> None:
    """A malformed picture is told, those that max_processing_rate leaves out are counted."""
    path = tmp_path / 'bag'
    types = TYPES.types
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection('/image', 'sensor_msgs/msg/Image', typestore=TYPES)
        for number, frame in enumerate(frames(6)):
            time = START + number * 10**8
            stamp = types['builtin_interfaces/msg/Time'](sec=time // 10**9, nanosec=time % 10**9)
            header = types['std_msgs/msg/Header'](stamp=stamp, frame_id='camera')
            encoding = 'unheard_of' if number == 2 else 'bgr8'
            message = picture_of(frame, header, encoding)
            writer.write(connection, time, TYPES.serialize_cdr(message, 'sensor_msgs/msg/Image'))
        # And one that is no message at all.
        writer.write(connection, START + 6 * 10**8, b'\0\1\0\0abc')
    options = ReplayOptions(
        path, parameters=['max_processing_rate:=6.0'], rate=10.0, offline=offline
    )
    result = collect(options)
    assert [picture.number for picture in result.pictures] == [0, 3, 5]
    assert result.rate_limited == 2
    assert [line[:10] for line in result.unreadable] == ['picture 2:', 'picture 6:']
    assert "encoding 'unheard_of'" in result.unreadable[0]


def test_a_running_node_is_played_to(
    start_node: Callable[..., NodeProcess], make_bag: MakeBag, online: None
) -> None:
    """As by the launch file; its settings must be those that lose no picture."""
    options = ReplayOptions(make_bag(), rate=10.0, node='/robot/face_classification')
    arguments = [
        *('-r', '__ns:=/robot', '-r', 'image:=/camera/image_raw'),
        *('-p', 'use_sim_time:=true', '-p', 'image_transport:=compressed'),
    ]
    careless = start_node(*arguments)
    with pytest.raises(ValueError, match='image_reliability of /robot/face_classification is be'):
        collect(options)
    assert careless.stop() == 0
    start_node(*arguments, '-p', 'image_reliability:=reliable')
    assert without_latency(collect(options)) == collect(replace(options, offline=True, node=''))


def test_a_node_that_cannot_start_ends_the_replay(
    make_bag: MakeBag, online: None, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its own reason is above the line that says so."""
    assert command(make_bag(), '--parameter', 'emotion_model:=/missing.onnx') == 2
    lines = capfd.readouterr().err.splitlines()
    assert lines[-1] == 'face_classification: the node ended with exit code 2'
    assert any('/missing.onnx' in line for line in lines[:-1])


def test_a_node_that_is_not_there_is_not_waited_for_in_vain(
    make_bag: MakeBag, online: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name tells what was waited for."""
    monkeypatch.setattr(bag_player, 'START_LIMIT', 0.3)
    with pytest.raises(TimeoutError, match=r'/nobody does not start within'):
        collect(ReplayOptions(make_bag(), node='/nobody'))


def test_another_clock_is_not_fought_with(
    make_bag: MakeBag, online: None, start_node: Callable[..., NodeProcess], peer: Peer
) -> None:
    """Two replays in one domain would tear the node to and fro."""
    peer.node.create_publisher(Clock, '/clock', 1)
    start_node(
        *('-r', 'image:=/camera/image_raw', '-p', 'image_transport:=compressed'),
        *('-p', 'use_sim_time:=true', '-p', 'image_reliability:=reliable'),
    )
    # Slowly, as the other clock may become known a little after the node.
    with pytest.raises(ValueError, match='somebody else publishes /clock'):
        collect(ReplayOptions(make_bag(), node='/face_classification', rate=0.1))


# Records


def test_a_record_is_a_bag_that_others_can_read(make_bag: MakeBag, tmp_path: Path) -> None:
    """It brings the definitions of its messages, and the time at which each was recorded."""
    assert command(make_bag(), '--offline', '--record', tmp_path / 'faces') == 0
    records = json.loads((tmp_path / 'faces' / 'faces.json').read_text())
    with AnyReader([tmp_path / 'faces'], default_typestore=get_typestore(Stores.EMPTY)) as reader:
        (connection,) = reader.connections
        assert connection.topic == '/face_classification/faces'
        hashes = json.loads((share_folder() / 'msg' / 'FaceAttributesArray.json').read_text())
        assert connection.digest == hashes['type_hashes'][0]['hash_string']
        messages: list[tuple[int, Any]] = [
            (time, reader.deserialize(data, connection.msgtype))
            for connection, time, data in reader.messages()
        ]
    assert len(messages) == len(records) == PICTURES
    for (time, message), record in zip(messages, records, strict=True):
        stamp = message.header.stamp
        assert 0 < time - (stamp.sec * 10**9 + stamp.nanosec) < 10**8
        assert [face.track_id for face in message.faces] == [
            face['track_id'] for face in record['faces']
        ]
        assert [face.emotion.label for face in message.faces] == [
            face['emotion']['label'] for face in record['faces']
        ]


def test_a_record_is_never_written_over(
    make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An hour's recording is not lost to a wrong name."""
    (tmp_path / 'faces').mkdir()
    assert command(make_bag(), '--offline', '--record', tmp_path / 'faces') == 2
    assert 'faces exists already' in capsys.readouterr().err


# Expectations


EXPECTATION = {
    'faces': [{'to': 0.85, 'min': 1, 'max': 1}, {'from': 0.85, 'max': 0}],
    'tracks': [{'min': 1, 'max': 1}],
    'labels': [{'to': 0.85, 'attributes': {'gender': 'woman'}, 'min_fraction': 0.5}],
    'boxes': [{'at': 0, 'box': [58, 63, 90, 113]}],
}
"""Of the frames of `make_bag`."""


def test_met_expectation_is_success(
    make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0."""
    file = tmp_path / 'expect.yaml'
    file.write_text(yaml.safe_dump(EXPECTATION))
    assert command(make_bag(), '--offline', '--expect', file) == 0
    printed = capsys.readouterr().out
    assert (
        '12 pictures answered, 0 left out by max_processing_rate, 0 unreadable; 9 faces, 1 tracks'
        in printed
    )
    assert f'{file}: 5 of 5 expectations met' in printed


def test_unmet_expectation_is_reported(
    make_bag: MakeBag, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, with one difference and the number of entries that are met."""
    file = tmp_path / 'expect.yaml'
    file.write_text(yaml.safe_dump({**EXPECTATION, 'faces': [{'min': 1, 'max': 1}]}))
    assert command(make_bag(), '--offline', '--expect', file) == 1
    printed = capsys.readouterr().out
    assert 'faces[0]: expected ' in printed
    assert f'{file}: 3 of 4 expectations met' in printed


def test_proposed_expectation_is_met(make_bag: MakeBag, tmp_path: Path) -> None:
    """By the same recording, but not with other settings."""
    file = tmp_path / 'expect.yaml'
    assert command(make_bag(), '--offline', '--write-expectation', file) == 0
    assert command(make_bag(), '--offline', '--expect', file) == 0
    blind = ('--parameter', 'min_face_size:=230')
    assert command(make_bag(), '--offline', '--expect', file, *blind) == 1


def test_latency_is_compared_through_the_node_only(
    make_bag: MakeBag, online: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No node takes less than a microsecond; offline nothing is measured."""
    file = tmp_path / 'expect.yaml'
    file.write_text('latency: {p95: 0.000001}')
    assert command(make_bag(), '--rate', '10', '--expect', file) == 1
    assert 'latency: expected p95 ' in capsys.readouterr().out
    assert command(make_bag(), '--offline', '--expect', file) == 0


# Wrong use


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_bag_that_is_cut_off_is_told_in_one_line(
    storage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2; what came until then is in the record."""
    path = tmp_path / 'bag'
    write_sample(path, frames(), FPS, storage, compressed=False)
    (file,) = (each for each in path.iterdir() if each.suffix != '.yaml')
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert command(path, '--offline', '--record', tmp_path / 'faces.json') == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'face_classification: {path} ')
    assert isinstance(json.loads((tmp_path / 'faces.json').read_text()), list)


@pytest.mark.parametrize(
    'arguments, complaint',
    [
        (['--rate', '0'], 'rate 0 is not above 0'),
        (['--topic', '/other'], 'has no pictures on the topic /other, only on /camera/image_raw'),
        (['--depth', '/depth', '--rate', '1'], 'has no sensor_msgs/msg/Image on the topic /depth'),
        (['--parameter', 'smoothing_time'], "'smoothing_time' is not NAME:=VALUE"),
        (['--parameter', 'smoothing:=1.0'], "the node has no parameter 'smoothing'"),
        (['--parameter', 'smoothing_time:=1'], 'smoothing_time: 1 is no float'),
        (['--parameter', 'detection_size:=9'], 'detection_size: 9 is not between 32 and 4096'),
        (['--parameter', 'rotation:=45'], 'rotation: 45 is no multiple of 90'),
        (['--parameter', 'thresholds:=1'], "the node has no parameter 'thresholds'"),
        (['--parameter', 'detector:=eye'], "detector: 'eye' is none of libfacedetection, haar"),
        (['--parameter', 'image_transport:=raw'], 'image_transport is set by the replay itself'),
        (['--params-file', '/missing.yaml'], '/missing.yaml'),
        (['--expect', '/missing.yaml'], '/missing.yaml'),
    ],
)
def test_wrong_use_is_told_in_one_line(
    arguments: list[str], problem: str, make_bag: MakeBag, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is started; exit code 2."""
    assert command(make_bag(), *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert problem in line


def test_a_parameter_file_is_used_offline_as_by_the_node(
    make_bag: MakeBag, online: None, tmp_path: Path
) -> None:
    """A robot's own settings are tested, and what is given beside them stands above them."""
    file = tmp_path / 'robot.yaml'
    file.write_text(
        '/**/face_classification: '
        '{ros__parameters: {emotion_model: "", max_processing_rate: 5.0}}\n'
        '/**/somebody: {ros__parameters: {gender_model: ""}}\n'
    )
    options = ReplayOptions(
        make_bag(), parameter_file=file, parameters=['max_processing_rate:=0.0'], offline=True
    )
    result = collect(options)
    assert len(result.pictures) == PICTURES
    face = result.pictures[0].faces[0]
    assert face.emotion is None and face.gender is not None
    assert without_latency(collect(replace(options, offline=False, rate=10.0))) == result


# The sample, and the tests of others


def test_the_sample_is_recorded_by_a_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever has no bag can try a replay at once."""
    arguments = ['--storage', 'sqlite3', '--compressed', '--seconds', '0.4']
    assert main(['sample-bag', str(tmp_path / 'sample'), *arguments]) == 0
    assert 'has the pictures on /camera/image_raw/compressed' in capsys.readouterr().out
    assert (tmp_path / 'sample' / 'sample.db3').is_file()
    result = collect(ReplayOptions(tmp_path / 'sample', offline=True))
    assert [len(picture.faces) for picture in result.pictures] == [1] * 6
    assert main(['sample-bag', str(tmp_path / 'sample')]) == 2


def test_the_fixture_gives_plain_objects(replay: Replay, make_bag: MakeBag) -> None:
    """It is there as soon as the package is installed."""
    result = replay(make_bag(), expect=EXPECTATION, parameters={'emotion_model': ''})
    assert result.pictures[0].faces[0].gender.label == 'woman'  # type: ignore[union-attr]
    assert result.pictures[0].faces[0].emotion is None


def test_the_fixture_goes_through_the_node_on_request(
    replay: Replay, make_bag: MakeBag, online: None
) -> None:
    """With what is measured there."""
    result = replay(make_bag(), expect=EXPECTATION, online=True, rate=10.0)
    assert len(result.pictures) == PICTURES
    assert all(picture.latency for picture in result.pictures)


def test_the_fixture_raises_where_a_bag_cannot_be_read(replay: Replay, tmp_path: Path) -> None:
    """The test of the integrator fails with the reason."""
    with pytest.raises(UnreadableError, match='is not a readable bag'):
        replay(tmp_path)


def test_a_test_of_others_fails_with_the_difference(make_bag: MakeBag, tmp_path: Path) -> None:
    """Without a traceback through this package; other tests pay nothing for the plugin."""
    (tmp_path / 'conftest.py').write_text(
        "pytest_plugins = ['face_classification_ros.ros.replay.pytest_plugin']\n"
    )
    (tmp_path / 'test_robot.py').write_text(
        f'import sys\n'
        f'def test_other():\n'
        f'    assert "rclpy" not in sys.modules and "cv2" not in sys.modules\n'
        f'def test_people(replay):\n'
        f'    replay({str(make_bag())!r}, expect={{"faces": [{{"min": 2}}]}})\n'
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
    assert 'faces[0]: expected at least 2 faces per frame at all times' in done.stdout
    assert 'Traceback' not in done.stdout
