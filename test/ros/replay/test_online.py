"""Recordings are replayed through the node, at any rate with the results of an offline replay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
import subprocess
import sys
from typing import Any

import pytest
from recordings import (
    comparable,
    COUNT,
    DEPTH_TOPIC,
    IMAGE,
    image_at,
    IMAGE_TOPIC,
    INFO_TOPIC,
    moving_face,
    PERIOD,
    START,
    write_depth_bag,
    write_messages,
)
from ros_peers import NodeProcess, Peer, TIMEOUT
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image as ImageMessage

from face_classification_ros.ros.replay.bag_player import (
    ClockConflictError,
    NodeMissingError,
    ParameterMismatchError,
)
from face_classification_ros.ros.replay.replay import replay, ReplayOptions

MakeBag = Callable[..., Path]


@pytest.mark.parametrize(
    ('storage', 'compressed', 'rate'),
    [('mcap', True, 0.5), ('sqlite3', False, 1.0), ('mcap', True, 4.0)],
)
def test_results_equal_those_of_an_offline_replay_at_any_rate(
    storage: str, compressed: bool, rate: float, make_bag: MakeBag, online: None
) -> None:
    """Faces, tracks, probabilities and landmarks are equal, and no image is lost."""
    options = ReplayOptions(make_bag(storage, compressed=compressed), rate=rate)
    result = replay(options)
    assert len(result.frames) == COUNT
    assert all(frame.latency is not None for frame in result.frames)
    assert comparable(result) == comparable(replay(replace(options, offline=True)))


@pytest.mark.parametrize('stamp', [0, START], ids=['zero', 'frozen'])
@pytest.mark.parametrize('rate', [1.0, 5.0])
def test_tracks_without_stamps_equal_those_of_an_offline_replay(
    stamp: int, rate: float, online: None, tmp_path: Path
) -> None:
    """The time is that of the recording at any rate: whoever is away for 3 s gets a new track."""
    face, *_, empty = moving_face(4)
    frames = [face, face, *[empty] * 30, face, face]
    messages = [
        ('/image', IMAGE, START + number * PERIOD, image_at(stamp, frame))
        for number, frame in enumerate(frames)
    ]
    options = ReplayOptions(write_messages(tmp_path / 'bag', messages), rate=rate)

    def tracks(offline: bool) -> list[list[str]]:
        result = replay(replace(options, offline=offline))
        return [[face.track_id for face in frame.faces] for frame in result.frames]

    assert tracks(offline=False) == tracks(offline=True)
    assert tracks(offline=True) == [['1'], ['1'], *[[]] * 30, ['2'], ['2']]


def test_positions_equal_those_of_an_offline_replay(online: None, tmp_path: Path) -> None:
    """Depth images and calibration are played before their image."""
    options = ReplayOptions(
        write_depth_bag(tmp_path / 'bag', 500),
        topic=IMAGE_TOPIC,
        depth=DEPTH_TOPIC,
        camera_info=INFO_TOPIC,
        rate=4.0,
    )
    result = replay(options)
    assert result.frames[0].faces[0].position is not None
    assert comparable(result) == comparable(replay(replace(options, offline=True)))


@pytest.mark.parametrize('offline', [True, False])
def test_images_that_are_not_processed_are_counted(
    offline: bool, online: None, tmp_path: Path
) -> None:
    """Invalid ones with the reason, and those that `max_processing_rate` excludes."""
    messages = [
        (
            '/image',
            IMAGE,
            START + number * PERIOD,
            image_at(START + number * PERIOD, frame, 'unknown' if number == 2 else 'bgr8'),
        )
        for number, frame in enumerate(moving_face(6))
    ]
    # Bytes that are not a message.
    messages.append(('/image', IMAGE, START + 6 * PERIOD, b'\0\1\0\0abc'))
    options = ReplayOptions(
        write_messages(tmp_path / 'bag', messages),
        parameters=['max_processing_rate:=6.0'],
        rate=10.0,
        offline=offline,
    )
    result = replay(options)
    assert [frame.frame for frame in result.frames] == [0, 3, 5]
    assert result.rate_limited == 2
    assert list(result.invalid) == [2, 6]
    assert "encoding 'unknown'" in result.invalid[2]


PROGRAM = """
from pathlib import Path
import sys
from face_classification_ros.ros.replay.replay import replay, ReplayOptions
bag, image, depth, camera_info = sys.argv[1:]
replay(ReplayOptions(Path(bag), image, depth, camera_info, rate=2.0))
"""


def received_messages(peer: Peer, bag: Path) -> tuple[list[Clock], list[Any], list[Any]]:
    """Replay a bag with depth images; return the clock, depth images and calibrations received.

    A replay as short as this may end before DDS has discovered the peer, so it is repeated.
    """
    clocks: list[Clock] = peer.collect(Clock, '/clock')
    depths: list[Any] = peer.collect(ImageMessage, DEPTH_TOPIC)
    infos: list[Any] = peer.collect(CameraInfo, INFO_TOPIC)
    for _ in range(8):
        for received in (clocks, depths, infos):
            received.clear()
        arguments = [bag, IMAGE_TOPIC, DEPTH_TOPIC, INFO_TOPIC]
        process = subprocess.Popen([sys.executable, '-c', PROGRAM, *arguments], cwd='/')
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
    return clocks, depths, infos


def test_clock_and_other_topics_are_played(peer: Peer, online: None, tmp_path: Path) -> None:
    """Other nodes with use_sim_time run in the time of the recording."""
    clocks, depths, infos = received_messages(peer, write_depth_bag(tmp_path / 'bag', 500))
    times = [each.clock.sec * 10**9 + each.clock.nanosec for each in clocks]
    assert times == sorted(times)
    assert times[0] <= START < times[-1] == START + 5 * PERIOD
    # Also between the images.
    assert len(times) > 2 * len(depths)
    assert len(depths) == len(infos) == 6
    assert depths[0].encoding == '16UC1'


RUNNING_NODE = ('-r', '__ns:=/robot', '-r', 'image:=/camera/image_raw')
SUITABLE = {'use_sim_time': True, 'image_reliability': 'reliable', 'image_transport': 'compressed'}


def parameters(values: dict[str, Any]) -> list[str]:
    """Return ROS arguments that set parameters."""
    return [
        part for name, value in values.items() for part in ('-p', f'{name}:={str(value).lower()}')
    ]


def test_running_node_is_used(
    start_node: Callable[..., NodeProcess], make_bag: MakeBag, online: None
) -> None:
    """Its results are those of a node that the replay starts."""
    start_node(*RUNNING_NODE, *parameters(SUITABLE))
    options = ReplayOptions(make_bag(), rate=10.0, node='/robot/face_classification')
    offline = replace(options, offline=True, node='')
    assert comparable(replay(options)) == comparable(replay(offline))


def test_running_node_that_would_lose_images_is_rejected(
    start_node: Callable[..., NodeProcess], make_bag: MakeBag, online: None
) -> None:
    """The error has the parameter to change."""
    start_node(*RUNNING_NODE, *parameters({**SUITABLE, 'image_reliability': 'best_effort'}))
    with pytest.raises(ParameterMismatchError) as caught:
        replay(ReplayOptions(make_bag(), node='/robot/face_classification'))
    assert caught.value.parameter == 'image_reliability'


def test_node_that_cannot_start_ends_the_replay(
    make_bag: MakeBag, online: None, capfd: pytest.CaptureFixture[str]
) -> None:
    """The node prints its own reason."""
    with pytest.raises(ChildProcessError, match='exit code 2'):
        replay(ReplayOptions(make_bag(), parameters=['models:=[/missing.onnx]']))
    assert '/missing.onnx' in capfd.readouterr().err


def test_missing_node_is_reported_with_those_that_run(
    start_node: Callable[..., NodeProcess], make_bag: MakeBag, online: None
) -> None:
    """The error names the node and the other one."""
    start_node(*RUNNING_NODE)
    with pytest.raises(NodeMissingError, match='/missing_node') as caught:
        replay(ReplayOptions(make_bag(), node='/missing_node'))
    assert caught.value.alternatives == ('/robot/face_classification',)


def test_second_clock_ends_the_replay(
    make_bag: MakeBag, online: None, start_node: Callable[..., NodeProcess], peer: Peer
) -> None:
    """With two replays in one domain, the time of the node would jump."""
    peer.node.create_publisher(Clock, '/clock', 1)
    start_node('-r', 'image:=/camera/image_raw', *parameters(SUITABLE))
    # Slowly, since the other clock may be discovered later than the node.
    with pytest.raises(ClockConflictError):
        replay(ReplayOptions(make_bag(), node='/face_classification', rate=0.1))
