"""The examples of behaviors as processes, with the node and a camera that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
from ros_peers import BLANK, HEAD, LiveCamera, NodeProcess, Peer, TIMEOUT

from face_classification_ros.inference.model_zoo import share_folder
from face_classification_ros.ros.client.client import FaceClient, FaceSnapshot
from face_classification_ros.types import AttributeEstimate, BoundingBox, Detection, Face, Image

StartNode = Callable[..., NodeProcess]
RunExample = Callable[..., str]


@pytest.fixture
def run_example(domain: int, tmp_path: Path) -> RunExample:
    """Give a function that runs an installed example and gives what it prints."""

    def run(name: str, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, str(share_folder() / 'examples' / name), *arguments],
            capture_output=True,
            text=True,
            timeout=2 * TIMEOUT,
            env={**os.environ, 'ROS_DOMAIN_ID': str(domain), 'ROS_LOG_DIR': str(tmp_path)},
        )
        assert done.returncode == code, done
        return done.stderr if code else done.stdout

    return run


@pytest.fixture
def camera(start_node: StartNode, peer: Peer) -> Iterator[LiveCamera]:
    """Give a camera that shows a head, and the node that looks through it."""
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


def test_guest_is_greeted_with_what_is_certain(
    camera: LiveCamera, run_example: RunExample
) -> None:
    """Who is there is told; who is not there is not greeted."""
    told = run_example('greet_guest.py', '--pictures', '5', '--seconds', '60')
    assert told == 'Welcome! I see a woman and somebody who looks happy.\n'
    camera.show(BLANK)
    told = run_example('greet_guest.py', '--seconds', '1')
    # The guest may still have been in view when it began.
    assert re.match(r'Nobody to greet: .*nobody was seen|Welcome!', told)


def test_uncertain_is_left_out_of_a_greeting() -> None:
    """What is not known is not said."""
    greeting = example('greet_guest').greeting
    assert greeting('', '') == greeting('', 'neutral') == 'Welcome!'
    assert greeting('man', '') == 'Welcome! I see a man.'
    assert greeting('', 'fear') == 'Welcome! I see somebody who looks frightened.'


def test_people_are_counted(camera: LiveCamera, run_example: RunExample) -> None:
    """One woman in many pictures is one woman."""
    told = run_example('count_people.py', '--seconds', '60')
    assert told == ('1 people in the last 60 s: 1 women, 0 men, 0 of whom I cannot say\n')


def test_happy_face_is_followed(camera: LiveCamera, run_example: RunExample) -> None:
    """The way is told after each picture."""
    image: Image = np.zeros((200, 300, 3), np.uint8)
    image[:, 100:] = HEAD
    camera.show(image)
    lines = run_example('follow_happy_face.py', '--seconds', '2').splitlines()
    assert re.fullmatch(r'turn right \(\+\d+% of the picture\)', lines[-1]), lines


def test_following_ends_at_ctrl_c(camera: LiveCamera, domain: int, tmp_path: Path) -> None:
    """Without a traceback, in the middle of a question."""
    with subprocess.Popen(
        [sys.executable, str(share_folder() / 'examples' / 'follow_happy_face.py')],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain), 'ROS_LOG_DIR': str(tmp_path)},
        # As a terminal has it: what a script starts in the background ignores the interrupt.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() != ''
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, complaints) == (0, '')


def test_way_to_the_nearest_happy_face_is_by_position() -> None:
    """A nearer face comes before a larger one, and a happy one before both."""
    where = example('follow_happy_face').where_to_turn
    make = example_face
    nobody = FaceSnapshot(0.0, '', 640, 480, (make('sad', 0, (0.0, 0.0, 0.5)),))
    assert where(nobody) == 'nobody is happy'
    faces = (make('happy', 0, (-1.0, 0.0, 1.0)), make('happy', 600, (1.0, 0.0, 1.8)))
    assert where(FaceSnapshot(0.0, '', 640, 480, faces)) == 'turn left (-45 degrees, 1.4 m away)'
    faces = (make('happy', 600, None), make('happy', 0, None))
    assert where(FaceSnapshot(0.0, '', 640, 480, faces)).startswith('turn right (+')
    assert where(FaceSnapshot(0.0, '', 640, 480, (make('happy', 310, None),))).startswith(
        'straight on'
    )


def example_face(emotion: str, x: float, position: tuple[float, float, float] | None) -> Face:
    """Make a face of 20 pixels with an emotion that is certain."""
    one = np.ones(1, np.float32)
    estimate = AttributeEstimate((emotion,), one, one, 1, 0.0)
    return Face(Detection(BoundingBox(x, 0, 20, 20), 1.0), '1', 0.0, None, estimate, position)


@pytest.mark.parametrize('name', ['greet_guest', 'count_people', 'follow_happy_face'])
def test_example_without_a_node_says_what_is_missing(name: str, run_example: RunExample) -> None:
    """One line and exit code 1."""
    told = run_example(f'{name}.py', '--node', '/nowhere', code=1)
    assert re.fullmatch(r'no (service|action) /nowhere/.*: there is no node /nowhere.*\n', told)
