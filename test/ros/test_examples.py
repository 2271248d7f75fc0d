"""The example programs as processes, with the node and a camera that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
from types import ModuleType
import uuid

import numpy as np
import pytest
from ros_peers import (
    BLANK,
    HEAD,
    LiveCamera,
    NodeProcess,
    Peer,
    read_line,
    TIMEOUT,
    without_shared_memory,
)

from face_classification_ros.inference.model_zoo import share_folder
from face_classification_ros.ros.client import Face, FaceClient, FaceSnapshot, PeopleCount
from face_classification_ros.types import AttributeEstimate, BoundingBox, Detection, Image

StartNode = Callable[..., NodeProcess]
RunExample = Callable[..., str]


@pytest.fixture
def run_example(domain: int, tmp_path: Path) -> RunExample:
    """Return a function that runs an installed example and returns what it prints."""

    def run(name: str, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, str(share_folder() / 'examples' / name), *arguments],
            capture_output=True,
            text=True,
            timeout=2 * TIMEOUT,
            env={**os.environ, 'ROS_DOMAIN_ID': str(domain), 'ROS_LOG_DIR': str(tmp_path)},
        )
        assert done.returncode == code, done
        return without_shared_memory(done.stderr if code else done.stdout)

    return run


@pytest.fixture
def camera(start_node: StartNode, peer: Peer) -> Iterator[LiveCamera]:
    """Return a camera that shows a head, to a node that has seen it."""
    start_node()
    camera = LiveCamera(peer, HEAD)
    try:
        with FaceClient(node=peer.node, server_timeout=TIMEOUT) as client:
            assert client.wait_for_face(TIMEOUT) is not None
        yield camera
    finally:
        camera.close()


def example(name: str) -> ModuleType:
    """Import an example."""
    specification = spec_from_file_location(name, share_folder() / 'examples' / f'{name}.py')
    assert specification is not None and specification.loader is not None
    module = module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def snapshot_with(*faces: Face) -> FaceSnapshot:
    """Return a snapshot of an image of 640x480."""
    return FaceSnapshot(0.0, 'camera', 'camera', 640, 480, faces)


def face_with(
    emotion: str, x: float = 0.0, position: tuple[float, float, float] | None = None
) -> Face:
    """Return a face of 20 pixels with an emotion that is certain."""
    one = np.ones(1, np.float32)
    estimate = AttributeEstimate((emotion,), one, one, 1, 0.0)
    detection = Detection(BoundingBox(x, 0, 20, 20), 1.0)
    return Face(detection, {'emotion': estimate}, '1', position=position)


# Greet a guest


def test_guest_is_greeted(camera: LiveCamera, run_example: RunExample) -> None:
    """The greeting is that for what the node estimates."""
    printed = run_example('greet_guest.py', '--frames', '5', '--duration', '60')
    assert printed == example('greet_guest').greeting('woman', 'happy') + '\n'


def test_guest_who_looks_at_the_robot_is_greeted(
    camera: LiveCamera, run_example: RunExample
) -> None:
    """The head in the image is turned to the camera."""
    printed = run_example('greet_guest.py', '--looking', '--frames', '5', '--duration', '60')
    assert printed == example('greet_guest').greeting('woman', 'happy') + '\n'


def test_nobody_is_greeted_in_an_empty_room(camera: LiveCamera, run_example: RunExample) -> None:
    """One line says why, and it is no greeting."""
    camera.show(BLANK)
    # The guest may still have been in view when the first of them started.
    printed = [run_example('greet_guest.py', '--duration', '1') for _ in range(2)]
    assert len(printed[-1].splitlines()) == 1
    assert not printed[-1].startswith('Welcome')


def test_greeting_contains_only_what_is_certain() -> None:
    """An attribute that is unknown, and a neutral emotion, are not mentioned."""
    greeting = example('greet_guest').greeting
    assert greeting('', '') == greeting('', 'neutral')
    assert 'man' in greeting('man', '') and 'looks' not in greeting('man', '')
    assert 'frightened' in greeting('', 'fear') and 'man' not in greeting('', 'fear')


# Count people


@pytest.mark.parametrize('attribute, label', [('', 'woman'), ('emotion', 'happy')])
def test_people_are_counted(
    attribute: str, label: str, camera: LiveCamera, peer: Peer, run_example: RunExample
) -> None:
    """One person in many images is one, by any attribute."""
    with FaceClient(node=peer.node, server_timeout=TIMEOUT) as client:
        client.observe(frames=5, duration=TIMEOUT)
    printed = run_example('count_people.py', '--window', '60', '--attribute', attribute)
    assert printed.startswith('1 person: ')
    assert f'1 {label}' in printed
    assert printed.endswith(', 0 unknown\n')


def test_summary_of_a_count_has_all_labels() -> None:
    """Also those that nobody has, and the people without a certain label."""
    count = PeopleCount({'woman': 2, 'man': 0}, 1)
    assert example('count_people').summary(count) == '3 people: 2 woman, 0 man, 1 unknown'


# Follow a happy face


def test_happy_face_is_followed(camera: LiveCamera, run_example: RunExample) -> None:
    """A direction is printed after each image."""
    image: Image = np.zeros((200, 300, 3), np.uint8)
    image[:, 100:] = HEAD
    camera.show(image)
    lines = run_example('follow_happy_face.py', '--duration', '2').splitlines()
    assert re.match(r'turn right .*\+\d+%', lines[-1]), lines


def test_following_ends_at_ctrl_c(camera: LiveCamera, domain: int, tmp_path: Path) -> None:
    """It exits with 0 and without a traceback, while it waits for an image."""
    with subprocess.Popen(
        [sys.executable, str(share_folder() / 'examples' / 'follow_happy_face.py')],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain), 'ROS_LOG_DIR': str(tmp_path)},
    ) as process:
        assert process.stdout is not None
        assert read_line(process.stdout) != ''
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, errors) == (0, '')


@pytest.mark.parametrize(
    'name', ['greet_guest', 'count_people', 'nearest_person', 'greeting_tree']
)
def test_example_ends_quietly_at_ctrl_c(
    name: str, peer: Peer, domain: int, tmp_path: Path
) -> None:
    """Exit code 130 without a traceback, while it waits for a node that is missing."""
    if name == 'greeting_tree':
        pytest.importorskip('py_trees', reason='the example needs the Python package py_trees')
    # Of this test alone: the nodes of earlier tests are discovered, and disappear, late.
    missing = f'/missing_{uuid.uuid4().hex}'
    with subprocess.Popen(
        [sys.executable, str(share_folder() / 'examples' / f'{name}.py'), '--node', missing],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain), 'ROS_LOG_DIR': str(tmp_path)},
    ) as process:
        peer.wait_for(
            lambda: any(
                service.startswith(missing)
                for service, _ in peer.node.get_service_names_and_types()
            ),
            'the client of the example',
        )
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, without_shared_memory(printed), errors) == (130, '', '')


def test_direction_without_a_happy_face() -> None:
    """A sad face is not followed."""
    direction = example('follow_happy_face').direction
    assert direction(snapshot_with(face_with('sad'))) == direction(snapshot_with())


def test_direction_is_that_of_the_nearest_face() -> None:
    """A nearer face comes before a larger one; the angle and the distance are printed."""
    faces = face_with('happy', 600, (1.0, 0.0, 1.8)), face_with('happy', 0, (-1.0, 0.0, 1.0))
    direction = example('follow_happy_face').direction(snapshot_with(*faces))
    assert direction.startswith('turn left')
    assert '-45' in direction and '1.4 m' in direction


@pytest.mark.parametrize(
    'x, expected', [(600, 'turn right'), (310, 'straight on'), (0, 'turn left')]
)
def test_direction_without_positions_is_that_in_the_image(x: float, expected: str) -> None:
    """The largest face, which is the first one, is followed."""
    faces = face_with('happy', x), face_with('happy', 620 - x)
    assert example('follow_happy_face').direction(snapshot_with(*faces)).startswith(expected)


def test_position_in_another_frame_gives_no_direction() -> None:
    """In the map, x is not to the right of the camera."""
    face = face_with('happy', 600, (-5.0, 0.0, 1.0))
    snapshot = FaceSnapshot(0.0, 'camera', 'map', 640, 480, (face,))
    assert example('follow_happy_face').direction(snapshot).startswith('turn right')


# Nearest person


def test_nearest_person_without_depth_has_no_position(
    camera: LiveCamera, run_example: RunExample
) -> None:
    """The line names the person and the frame."""
    (line,) = run_example('nearest_person.py', '--duration', '60').splitlines()
    assert re.match(r'person \d+ .* head_camera .*not known', line), line


def test_place_of_a_person_is_in_the_frame() -> None:
    """All three coordinates are printed."""
    face = face_with('happy', position=(1.0, -2.0, 1.5))
    line = example('nearest_person').place(face, 'map')
    assert re.search(r'1\.00.*-2\.00.*1\.50.* map', line)


# Behavior tree


def test_guest_is_greeted_by_a_behavior_tree(camera: LiveCamera, run_example: RunExample) -> None:
    """It ends when the guest is greeted."""
    pytest.importorskip('py_trees', reason='the example needs the Python package py_trees')
    printed = run_example('greeting_tree.py', '--frames', '5', '--duration', '60')
    assert len(printed.splitlines()) == 1, printed
    assert 'gender woman' in printed and 'emotion happy' in printed


# All examples


@pytest.mark.parametrize(
    'name', ['greet_guest', 'count_people', 'follow_happy_face', 'nearest_person', 'greeting_tree']
)
def test_example_without_a_node_ends_with_one_line(name: str, run_example: RunExample) -> None:
    """The line names the missing service or action; the exit code is 1."""
    if name == 'greeting_tree':
        pytest.importorskip('py_trees', reason='the example needs the Python package py_trees')
    errors = run_example(f'{name}.py', '--node', '/nowhere', code=1)
    assert re.fullmatch(r'/nowhere/\w+ .*\n', errors)


@pytest.mark.parametrize(
    'name', ['greet_guest', 'count_people', 'follow_happy_face', 'nearest_person', 'greeting_tree']
)
def test_example_with_an_impossible_name_ends_with_one_line(
    name: str, run_example: RunExample
) -> None:
    """The line shows the name; the exit code is 1."""
    if name == 'greeting_tree':
        pytest.importorskip('py_trees', reason='the example needs the Python package py_trees')
    errors = run_example(f'{name}.py', '--node', 'no name', code=1)
    assert re.fullmatch(r".*'no name'.*\n", errors)
