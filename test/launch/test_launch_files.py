"""The launch files start the nodes that their arguments describe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import json
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import time
from typing import Any

from lifecycle_msgs.srv import GetState
import pytest
from ros_peers import HEAD, Peer, TIMEOUT
import yaml

from face_classification_ros.doctor.dds import PROFILE_VARIABLES
from face_classification_ros.inference.model_zoo import dds_profile, share_folder
from face_classification_ros.ros.compat import dds_profile_variable
from face_classification_ros.ros.node.parameters.node_config import PARAMETERS
from face_classification_ros.ros.node.parameters.sources import read_parameter_file

ROOT = Path(__file__).resolve().parents[2]
NODE = '/face_classification'
ONE_CAMERA = 'face_classification.launch.py'
LAUNCH_FILES = sorted(path.name for path in (ROOT / 'launch').glob('*.launch.py'))
PID = r'process started with pid \[(\d+)\]'

# What `ros2 launch` does, without the command line tools: a file, then names and values.
LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

source = PythonLaunchDescriptionSource(sys.argv[1])
arguments = [tuple(each.split(':=', 1)) for each in sys.argv[2:]]
# Not interactive: it passes the interrupt on, where Ctrl-C would go to all processes.
service = LaunchService(noninteractive=True)
service.include_launch_description(
    LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments)])
)
sys.exit(service.run())
"""


class Launched:
    """A running launch file; what it and its nodes print is in a file."""

    def __init__(self, log: Path, file: str, arguments: tuple[str, ...]) -> None:
        """Start it; arguments are `name:=value`."""
        self._path = log
        # A launch file finds the node by the ament index, and the node its Python by the PATH.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
        with log.open('w') as output:
            self._process = subprocess.Popen(
                [sys.executable, '-c', LAUNCH, str(share_folder() / 'launch' / file), *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, 'PATH': path, 'ROS_LOG_DIR': str(log.parent / 'ros_logs')},
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        """Everything printed so far."""
        return self._path.read_text()

    def pids(self, count: int = 1) -> list[str]:
        """Wait until this many processes have been started, and return the ids of all."""
        end = time.monotonic() + TIMEOUT
        while True:
            is_running = self._process.poll() is None
            found = re.findall(PID, self.log)
            if len(found) >= count:
                return found
            assert is_running, f'it ended:\n{self.log}'
            assert time.monotonic() < end, f'{count} processes expected:\n{self.log}'
            time.sleep(0.05)

    def wait(self) -> int:
        """Wait until it ends, and return the exit code."""
        try:
            return self._process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            raise AssertionError(f'it did not end within {TIMEOUT} s:\n{self.log}') from None

    def stop(self) -> int:
        """Interrupt it and its nodes, and return the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self.wait()


StartLaunch = Callable[..., Launched]


def require_launch() -> None:
    """Skip a test if launch is not installed; it is in no wheel."""
    # Not `launch`, since folders of this name are found as packages.
    pytest.importorskip(
        'launch_ros', reason='launch and launch_ros are not installed; no wheel has them'
    )


@pytest.fixture
def launch_file(
    domain: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StartLaunch]:
    """Return a function that runs an installed launch file; all must end well at SIGINT."""
    require_launch()
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    for variable in PROFILE_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    running: list[Launched] = []

    def start(file: str, *arguments: str) -> Launched:
        running.append(Launched(tmp_path / f'launch_{len(running)}.log', file, arguments))
        return running[-1]

    yield start
    codes = [each.stop() for each in running]
    logs = '\n'.join(each.log for each in running)
    assert not any(codes), f'exit codes {codes}:\n{logs}'
    # Processes that a test has killed may end in any way.
    killed = logs.count(f'exit code -{signal.SIGKILL:d}')
    ended = logs.count('process has finished cleanly') + killed
    assert ended == len(re.findall(PID, logs)), logs


def state_of(peer: Peer, node: str) -> str:
    """Return the life-cycle state of a node."""
    state = peer.call(GetState, f'{node}/get_state', GetState.Request()).current_state
    return str(state.label)


def wait_until_active(peer: Peer, *nodes: str) -> None:
    """Wait until nodes are active."""
    for node in nodes:
        peer.wait_for(lambda node=node: state_of(peer, node) == 'active', f'{node} to be active')


def subscriptions_of(peer: Peer, node: str, topic: str) -> set[bytes]:
    """Return the ids of the subscriptions of a node to a topic."""
    namespace, _, name = node.rpartition('/')
    return {
        bytes(each.endpoint_gid)
        for each in peer.node.get_subscriptions_info_by_topic(topic)
        if (each.node_name, each.node_namespace) == (name, namespace or '/')
    }


def wait_for_subscriptions(peer: Peer, node: str, *topics: str) -> None:
    """Wait until a node has subscribed to all of these topics."""
    peer.wait_for(
        lambda: all(subscriptions_of(peer, node, topic) for topic in topics),
        f'{node} to subscribe to {topics}',
    )


def parameters_in(name: str) -> dict[str, Any]:
    """Return the parameters of the node in a parameter file of the package."""
    return read_parameter_file(ROOT / 'config' / name, NODE)


def environment_of(pid: str) -> dict[str, str]:
    """Return the environment that a process was started with."""
    content = Path('/proc', pid, 'environ').read_text()
    return dict(each.split('=', 1) for each in content.split('\0') if '=' in each)


# Files


@pytest.mark.parametrize('folder', ['config', 'examples', 'foxglove', 'launch', 'rqt', 'rviz'])
def test_every_file_is_installed(folder: str) -> None:
    """The share folder has the files of the source folder."""
    sources = [
        path
        for path in (ROOT / folder).rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    ]
    assert sources
    for source in sources:
        installed = share_folder() / source.relative_to(ROOT)
        assert installed.read_bytes() == source.read_bytes()


@pytest.mark.parametrize('file', LAUNCH_FILES)
def test_every_argument_has_description_and_default(file: str) -> None:
    """`ros2 launch --show-args` explains all arguments, among them those of the node."""
    require_launch()
    sources = pytest.importorskip('launch.launch_description_sources')
    path = str(share_folder() / 'launch' / file)
    description = sources.get_launch_description_from_python_launch_file(path)
    arguments = {each.name: each for each in description.get_launch_arguments()}
    # A replay requires an active node.
    lacking = {'autostart'} if file == 'replay.launch.py' else set()
    assert {*PARAMETERS, 'log_level', 'fastdds_profile', 'rviz'} - set(arguments) == lacking
    for name, argument in arguments.items():
        assert argument.default_value is not None or name == 'cameras'
        assert argument.description != 'no description given', name


# One camera


def test_arguments_reach_the_node(launch_file: StartLaunch, peer: Peer) -> None:
    """Topic, namespace and parameters of all types are those of the arguments."""
    launch_file(
        ONE_CAMERA,
        'image:=/camera/image_raw',
        'namespace:=robot/x',
        'image_transport:=compressed',
        'publish_annotated:=false',
        'detection_threshold:=0.7',
        'detection_size:=480',
        'models:=gender_mini_xception, emotion_mini_xception',
        'attributes:=gender',
        'use_sim_time:=true',
    )
    node = '/robot/x/face_classification'
    wait_until_active(peer, node)
    wait_for_subscriptions(peer, node, '/camera/image_raw/compressed')
    values = {
        'image_transport': 'compressed',
        'publish_annotated': False,
        'detection_threshold': 0.7,
        'detection_size': 480,
        'models': ['gender_mini_xception', 'emotion_mini_xception'],
        'attributes': ['gender'],
        'use_sim_time': True,
    }
    assert peer.get_parameters(node, *values) == values


# Prints how it was started, in place of the viewer that no test machine has.
RVIZ = """#!/bin/sh
trap 'exit 0' INT
echo "rviz2 $*"
while :; do sleep 0.1; done
"""


def test_rviz_starts_on_the_topics_of_the_node(
    launch_file: StartLaunch, peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the file of the package, the target frame, and the namespace of the node."""
    program = tmp_path / 'prefix' / 'lib' / 'rviz2' / 'rviz2'
    index = tmp_path / 'prefix' / 'share' / 'ament_index' / 'resource_index' / 'packages'
    for folder in (program.parent, index):
        folder.mkdir(parents=True)
    (index / 'rviz2').touch()
    program.write_text(RVIZ)
    program.chmod(0o755)
    paths = [str(tmp_path / 'prefix'), os.environ['AMENT_PREFIX_PATH']]
    monkeypatch.setenv('AMENT_PREFIX_PATH', os.pathsep.join(paths))
    launched = launch_file(
        ONE_CAMERA, 'namespace:=robot', 'rviz:=true', 'target_frame:=map', 'autostart:=false'
    )
    node = '/robot/face_classification'
    peer.wait_for(lambda: state_of(peer, node) == 'unconfigured', 'the node')
    end = time.monotonic() + TIMEOUT
    while not (found := re.findall(r'rviz2 (--display-config .*)', launched.log)):
        assert time.monotonic() < end, launched.log
        time.sleep(0.05)
    words = found[0].split()
    assert words[:2] == [
        '--display-config',
        str(share_folder() / 'rviz' / 'face_classification.rviz'),
    ]
    assert words[2:4] == ['--fixed-frame', 'map']
    assert '__ns:=/robot' in words
    assert '/face_classification/markers:=face_classification/markers' in words


def test_log_level_reaches_the_node(launch_file: StartLaunch, peer: Peer) -> None:
    """Only errors are logged with `log_level:=error`."""
    launched = launch_file(ONE_CAMERA, 'log_level:=error')
    wait_until_active(peer, NODE)
    assert not re.search(r'^\[face_classification_node-1\] \[INFO\]', launched.log, re.MULTILINE)


def test_parameter_file_applies_if_an_argument_is_not_given(
    launch_file: StartLaunch, peer: Peer, tmp_path: Path
) -> None:
    """An argument that is not given does not override the file of a user."""
    values = {
        'image_transport': 'compressed',
        'publish_annotated': False,
        'max_processing_rate': 5.0,
        'models': ['gender_mini_xception'],
    }
    file = tmp_path / 'mine.yaml'
    file.write_text(yaml.safe_dump({f'/**{NODE}': {'ros__parameters': values}}))
    launch_file(ONE_CAMERA, f'params_file:={file}')
    wait_until_active(peer, NODE)
    assert peer.get_parameters(NODE, *values) == values


def profiles_of(pid: str) -> dict[str, str]:
    """Return the variables with profiles of Fast DDS that a process has."""
    environment = environment_of(pid)
    return {name: environment[name] for name in PROFILE_VARIABLES if name in environment}


def test_dds_profile_is_set_for_the_node(launch_file: StartLaunch, peer: Peer) -> None:
    """Large images arrive without any setting of the user."""
    (pid,) = launch_file(ONE_CAMERA).pids()
    wait_until_active(peer, NODE)
    assert profiles_of(pid) == {dds_profile_variable(): str(dds_profile())}


@pytest.mark.parametrize('own', PROFILE_VARIABLES)
def test_dds_profile_of_the_user_is_kept(
    own: str,
    launch_file: StartLaunch,
    peer: Peer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A profile that the environment names is used, under the name that Fast DDS reads."""
    profile = tmp_path / 'own.xml'
    profile.write_bytes(dds_profile().read_bytes())
    monkeypatch.setenv(own, str(profile))
    (pid,) = launch_file(ONE_CAMERA).pids()
    wait_until_active(peer, NODE)
    assert profiles_of(pid) == {dds_profile_variable(): str(profile)}


def test_dds_profile_can_be_switched_off(launch_file: StartLaunch, peer: Peer) -> None:
    """An empty argument sets no profile."""
    (pid,) = launch_file(ONE_CAMERA, 'fastdds_profile:=').pids()
    wait_until_active(peer, NODE)
    assert profiles_of(pid) == {}


def test_crashed_node_is_started_again(launch_file: StartLaunch, peer: Peer) -> None:
    """It becomes active again, with the same arguments."""
    launched = launch_file(ONE_CAMERA, 'image:=/camera/image_raw', 'namespace:=robot')
    node = '/robot/face_classification'
    (pid,) = launched.pids()
    wait_until_active(peer, node)
    wait_for_subscriptions(peer, node, '/camera/image_raw')
    before = subscriptions_of(peer, node, '/camera/image_raw')
    os.kill(int(pid), signal.SIGKILL)
    assert set(launched.pids(2)) > {pid}
    wait_until_active(peer, node)
    # DDS keeps the subscription of the killed process for a while.
    peer.wait_for(
        lambda: subscriptions_of(peer, node, '/camera/image_raw') - before,
        'another subscription',
    )


@pytest.mark.parametrize('argument', ['max_processing_rate:=-1', 'models:=resnet'])
def test_node_with_a_wrong_setting_is_not_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, domain: int, argument: str
) -> None:
    """It would end again; the launch ends with it."""
    require_launch()
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    launched = Launched(tmp_path / 'launch.log', ONE_CAMERA, (argument,))
    launched.pids()
    launched.wait()
    assert len(launched.pids()) == 1
    assert 'exit code 2' in launched.log


@pytest.mark.parametrize('file', LAUNCH_FILES)
def test_argument_that_a_file_does_not_have_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, domain: int, file: str
) -> None:
    """Launch itself ignores it; the error names the argument, and the exit code is 1."""
    require_launch()
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    launched = Launched(tmp_path / 'launch.log', file, ('gender_model:=mini', 'cameras:=front'))
    assert launched.wait() == 1
    assert 'gender_model' in launched.log
    assert not re.search(PID, launched.log)


def test_node_waits_for_a_lifecycle_manager(launch_file: StartLaunch, peer: Peer) -> None:
    """With `autostart:=false` it stays unconfigured."""
    launch_file(ONE_CAMERA, 'autostart:=false')
    assert state_of(peer, NODE) == 'unconfigured'


# Robots


def test_care_o_bot_3_has_a_node_on_its_kinect(launch_file: StartLaunch, peer: Peer) -> None:
    """Topics and parameters are those of the robot without any argument."""
    launch_file('care_o_bot_3.launch.py')
    node = '/cam3d/face_classification'
    wait_until_active(peer, node)
    topics = ('rgb/image_raw', 'depth_registered/image_raw', 'rgb/camera_info')
    wait_for_subscriptions(peer, node, *(f'/cam3d/{topic}' for topic in topics))
    values = parameters_in('care_o_bot_3.yaml')
    assert peer.get_parameters(node, *values) == values


def test_care_o_bot_4_has_a_node_on_each_camera(launch_file: StartLaunch, peer: Peer) -> None:
    """Cameras can be switched on and off; each node has the parameters of its camera."""
    launched = launch_file(
        'care_o_bot_4.launch.py',
        'sensorring_cam3d:=false',
        'sensorring_cam3d_back:=true',
        'sensorring_cam3d_back_rotation:=180',
        'image_transport:=compressed',
    )
    head, ring = '/head_cam', '/sensorring_cam3d_back'
    expected = {
        head: (parameters_in('care_o_bot_4_head.yaml'), 0, ['image_raw/compressed']),
        ring: (
            parameters_in('care_o_bot_4_sensorring.yaml'),
            180,
            ['rgb/image_raw/compressed', 'aligned_depth_to_color/image_raw', 'rgb/camera_info'],
        ),
    }
    for camera, (parameters, rotation, topics) in expected.items():
        node = f'{camera}/face_classification'
        wait_until_active(peer, node)
        wait_for_subscriptions(peer, node, *(f'{camera}/{topic}' for topic in topics))
        values = {**parameters, 'rotation': rotation}
        assert peer.get_parameters(node, *values) == values
    assert len(launched.pids()) == 2


# Several cameras


def test_each_camera_has_a_node_in_its_namespace(launch_file: StartLaunch, peer: Peer) -> None:
    """A relative topic is that of each camera; other arguments apply to all."""
    launch_file(
        'cameras.launch.py',
        'cameras:=front, back',
        'image:=color/image_raw',
        'namespace:=robot',
        'publish_annotated:=false',
    )
    for camera in ('/robot/front', '/robot/back'):
        node = f'{camera}/face_classification'
        wait_until_active(peer, node)
        wait_for_subscriptions(peer, node, f'{camera}/color/image_raw')
        assert peer.get_parameters(node, 'publish_annotated') == {'publish_annotated': False}


def test_empty_names_of_cameras_are_ignored(launch_file: StartLaunch, peer: Peer) -> None:
    """As of a comma at the end."""
    launched = launch_file('cameras.launch.py', 'cameras:=front,back,', 'autostart:=false')
    launched.pids(2)
    for camera in ('/front', '/back'):
        assert state_of(peer, f'{camera}/face_classification') == 'unconfigured'
    assert len(launched.pids(2)) == 2


def test_cameras_of_a_file_have_their_own_arguments(
    launch_file: StartLaunch, peer: Peer, tmp_path: Path
) -> None:
    """The arguments of one camera do not apply to the next."""
    parameters = tmp_path / 'slow.yaml'
    parameters.write_text(
        yaml.safe_dump({f'/**{NODE}': {'ros__parameters': {'max_processing_rate': 2.0}}})
    )
    front = {
        'image': '/elsewhere/image_raw',
        'params_file': str(parameters),
        'publish_annotated': False,
    }
    file = tmp_path / 'cameras.yaml'
    file.write_text(yaml.safe_dump({'front': front, 'back': {}}))
    launch_file('cameras.launch.py', f'cameras:={file}')
    for camera, topic, rate, annotated in (
        ('/front', '/elsewhere/image_raw', 2.0, False),
        ('/back', '/back/image', 0.0, True),
    ):
        node = f'{camera}/face_classification'
        wait_until_active(peer, node)
        wait_for_subscriptions(peer, node, topic)
        values = {'max_processing_rate': rate, 'publish_annotated': annotated}
        assert peer.get_parameters(node, *values) == values


@pytest.mark.parametrize(
    ('content', 'problem'),
    [
        ('- front', 'expected names of cameras'),
        ('front: /front/image_raw', "front: expected arguments, not '/front/image_raw'"),
        ('front:\n  images: /front/image_raw', 'front: unknown arguments images'),
    ],
)
def test_invalid_file_of_cameras_starts_nothing(
    content: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, domain: int
) -> None:
    """The error names the file and the camera, and the exit code is 1."""
    require_launch()
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    file = tmp_path / 'cameras.yaml'
    file.write_text(content)
    launched = Launched(tmp_path / 'launch.log', 'cameras.launch.py', (f'cameras:={file}',))
    assert launched.wait() == 1
    assert f'{file}: {problem}' in launched.log
    assert not re.search(PID, launched.log)


# Replay


def test_launch_ends_after_the_replay_of_a_bag(launch_file: StartLaunch, tmp_path: Path) -> None:
    """All images of the bag are processed and recorded."""
    pytest.importorskip('rosbags', reason='needs the extra [archive]')
    from face_classification_ros.io.bag_writer import write_sample

    write_sample(tmp_path / 'bag', [HEAD] * 6, 10.0, 'mcap', compressed=True)
    launched = launch_file(
        'replay.launch.py',
        f'bag:={tmp_path / "bag"}',
        'image_transport:=compressed',
        'namespace:=robot',
        'rate:=2.0',
        f'record:={tmp_path / "faces.json"}',
    )
    assert launched.wait() == 0
    frames = json.loads((tmp_path / 'faces.json').read_text())
    assert [len(each['faces']) for each in frames] == [1] * 6


def test_replay_without_a_bag_starts_only_the_node(launch_file: StartLaunch, peer: Peer) -> None:
    """It uses the time of `ros2 bag play --clock`."""
    launched = launch_file(
        'replay.launch.py', 'image:=/camera/image_raw', 'image_reliability:=best_effort'
    )
    wait_until_active(peer, NODE)
    wait_for_subscriptions(peer, NODE, '/camera/image_raw')
    values = {'use_sim_time': True, 'image_reliability': 'best_effort'}
    assert peer.get_parameters(NODE, *values) == values
    assert len(launched.pids()) == 1
