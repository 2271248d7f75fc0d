"""Launch files, parameter files and the Fast DDS profile do what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
import json
import os
from pathlib import Path
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import Any
import xml.etree.ElementTree as ElementTree

from lifecycle_msgs.srv import GetState
import pytest
from rcl_interfaces.srv import GetParameters
from ros_peers import HEAD, Peer, TIMEOUT
import yaml

from face_classification_ros.inference.model_zoo import share_folder
from face_classification_ros.ros.node.parameters import Parameters, validation_error

ROOT = Path(__file__).resolve().parents[2]
NODE = '/**/face_classification'
PARAMETER_FILES = sorted(path.name for path in (ROOT / 'config').glob('*.yaml'))
LAUNCH_FILES = sorted(path.name for path in (ROOT / 'launch').glob('*.launch.py'))
SHARED_ARGUMENTS = {
    'image_transport',
    'publish_annotated',
    'autostart',
    'respawn',
    'fastdds_profile',
}
REPLAY_LACKS = {'autostart', 'respawn'}
PROFILE = 'fastdds_large_images.xml'
SEGMENT = 32 * 2**20
"""Bytes of shared memory that a process takes by the profile, without what lies around them."""

PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')

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
    """A launch file that runs, with what it and its nodes print in a file."""

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
            )

    @property
    def log(self) -> str:
        """What was printed so far."""
        return self._path.read_text()

    def wait_for(self, what: str, count: int = 1) -> list[str]:
        """Wait until a regular expression was found this often, and give what it found."""
        end = time.monotonic() + TIMEOUT
        while True:
            running = self._process.poll() is None
            found = re.findall(what, self.log)
            if len(found) >= count:
                return found
            assert running, f'it ended before it said {what!r}:\n{self.log}'
            assert time.monotonic() < end, f'it never said {what!r}:\n{self.log}'
            time.sleep(0.05)

    def wait(self) -> int:
        """Wait until it ends, and give the exit code."""
        return self._process.wait(TIMEOUT)

    def stop(self) -> int:
        """Interrupt it and its nodes, and give the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self.wait()


StartLaunch = Callable[..., Launched]


def require_launch() -> None:
    """Skip a test where launch is missing, which no wheel has."""
    # Not `launch`: folders of this name are found even where the package is not installed.
    pytest.importorskip(
        'launch_ros', reason='launch and launch_ros are not installed; no wheel has them'
    )


def require_shared_memory(processes: int) -> None:
    """Skip a test where processes cannot have what the profile asks for."""
    free = shutil.disk_usage('/dev/shm').free
    if free < 1.1 * SEGMENT * processes:
        pytest.skip(f'/dev/shm has {free / 1e6:.0f} MB left, too little for the profile')


@pytest.fixture
def launch_file(
    domain: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StartLaunch]:
    """Give a function that runs an installed launch file; all must end well at SIGINT."""
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
    # Those that a test has killed may end as they like.
    killed = logs.count(f'exit code -{signal.SIGKILL:d}')
    ended = logs.count('process has finished cleanly') + killed
    assert ended == logs.count('process started'), logs


def parameters_in(name: str) -> dict[str, Any]:
    """Read the parameters of the node in a parameter file."""
    content = yaml.safe_load((ROOT / 'config' / name).read_text())
    assert set(content) == {NODE}
    assert set(content[NODE]) == {'ros__parameters'}
    parameters = content[NODE]['ros__parameters']
    assert isinstance(parameters, dict)
    return parameters


def parameters_of_node(peer: Peer, node: str, names: list[str]) -> dict[str, Any]:
    """Ask a running node for parameters."""
    request = GetParameters.Request(names=names)
    values = peer.call(GetParameters, f'{node}/get_parameters', request).values
    kinds = {1: 'bool_value', 2: 'integer_value', 3: 'double_value', 4: 'string_value'}
    return {
        name: getattr(value, kinds[value.type]) for name, value in zip(names, values, strict=True)
    }


def environment_of(pid: str) -> dict[str, str]:
    """Read the environment that a process was started with."""
    content = Path('/proc', pid, 'environ').read_text()
    return dict(each.split('=', 1) for each in content.split('\0') if '=' in each)


# Parameter files


@pytest.mark.parametrize('name', PARAMETER_FILES)
def test_parameters_exist_and_their_values_are_allowed(name: str) -> None:
    """No name is misspelt, no value is of another type or out of range."""
    known = {each.name: each for each in fields(Parameters)}
    values = parameters_in(name)
    assert values
    assert set(values) <= set(known)
    for parameter, value in values.items():
        metadata = known[parameter].metadata
        assert type(value) is type(known[parameter].default), parameter
        if metadata['low'] is not None:
            assert metadata['low'] <= value <= metadata['high'], parameter
    assert validation_error(values) == ''


def test_default_file_has_every_parameter_with_its_default() -> None:
    """What a user copies is complete, and changes nothing as it is."""
    assert parameters_in('face_classification.yaml') == {
        each.name: each.default for each in fields(Parameters)
    }


@pytest.mark.parametrize(
    'name', [name for name in PARAMETER_FILES if name != 'face_classification.yaml']
)
def test_robot_file_has_only_what_differs(name: str) -> None:
    """A default that changes reaches the robots, too."""
    for parameter, value in parameters_in(name).items():
        assert value != getattr(Parameters, parameter), parameter


@pytest.mark.parametrize('name', PARAMETER_FILES)
def test_node_takes_the_file_in_a_namespace(
    name: str, start_node: Callable[..., Any], peer: Peer
) -> None:
    """The node starts with the file, and its values are in force."""
    start_node('--params-file', str(share_folder() / 'config' / name), '-r', '__ns:=/robot/x')
    values = parameters_in(name)
    node = '/robot/x/face_classification'
    assert parameters_of_node(peer, node, list(values)) == values
    state = peer.call(GetState, f'{node}/get_state', GetState.Request())
    assert state.current_state.label == 'active'


# What is installed


@pytest.mark.parametrize('folder', ['config', 'examples', 'launch'])
def test_every_file_is_installed(folder: str) -> None:
    """The share folder has what the source folder has."""
    sources = [
        path
        for path in (ROOT / folder).rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    ]
    assert sources
    for source in sources:
        installed = share_folder() / source.relative_to(ROOT)
        assert installed.read_bytes() == source.read_bytes()


# The Fast DDS profile


def test_profile_is_the_default_of_all_participants() -> None:
    """Shared memory is large enough for big pictures, UDP remains, nothing else is set."""
    tree = ElementTree.parse(ROOT / 'config' / PROFILE)
    space = {'dds': 'http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles'}
    transports = {
        transport.findtext('dds:type', '', space): transport
        for transport in tree.iterfind('.//dds:transport_descriptor', space)
    }
    assert set(transports) == {'SHM', 'UDPv4'}
    segment = int(transports['SHM'].findtext('dds:segment_size', '', space))
    assert segment == SEGMENT >= 3 * (2048 * 1536 * 3)
    named = {each.findtext('dds:transport_id', '', space) for each in transports.values()}
    (participant,) = tree.iterfind('.//dds:participant', space)
    assert participant.get('is_default_profile') == 'true'
    used = participant.iterfind('.//dds:userTransports/dds:transport_id', space)
    assert {each.text for each in used} == named


def test_fast_dds_accepts_the_profile(
    start_node: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says nothing about the file, and reserves the shared memory that it asks for."""
    require_shared_memory(processes=2)
    for variable in PROFILE_VARIABLES:
        monkeypatch.setenv(variable, str(share_folder() / 'config' / PROFILE))
    node = start_node()
    # Only its own, as other nodes on this machine may have such a segment, too.
    mapped = Path(f'/proc/{node.pid}/maps').read_text().split()
    sizes = [Path(name).stat().st_size for name in mapped if name.startswith('/dev/shm/')]
    assert max(sizes, default=0) >= SEGMENT, node.log
    assert 'XMLPARSER' not in node.log


def test_profile_carries_vga_pictures_best_effort(domain: int, tmp_path: Path) -> None:
    """Of pictures that are mostly lost without it, nearly all are answered."""
    require_shared_memory(processes=4)
    figures = tmp_path / 'figures.json'
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / 'benchmarks' / 'transport.py')),
            *('--profile', 'large_pictures', '--reliability', 'best_effort'),
            *('--rounds', '1', '--warm-up', '10', '--pictures', '40', '--rate', '8'),
            *('--domain', str(domain), '--json', str(figures)),
        ],
        capture_output=True,
        text=True,
        timeout=3 * TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    (case,) = json.loads(figures.read_text())['cases']
    assert case['sent'] == 40
    assert case['answered'] >= 32
    assert case['faces'] >= case['answered']


# Launch files


@pytest.mark.parametrize('file', LAUNCH_FILES)
def test_every_argument_has_description_and_default(file: str) -> None:
    """`ros2 launch --show-args` explains all that can be given."""
    require_launch()
    sources = pytest.importorskip('launch.launch_description_sources')
    path = str(share_folder() / 'launch' / file)
    description = sources.get_launch_description_from_python_launch_file(path)
    arguments = description.get_launch_arguments()
    names = {argument.name for argument in arguments}
    # A replay is of no use with a node that is not active, and begins anew with a new node.
    assert names >= SHARED_ARGUMENTS - (REPLAY_LACKS if file == 'replay.launch.py' else set())
    for argument in arguments:
        assert argument.default_value is not None or argument.name == 'cameras', argument.name
        assert argument.description != 'no description given', argument.name


def test_arguments_reach_the_node(launch_file: StartLaunch, peer: Peer) -> None:
    """Topic, transport, namespace and the annotated picture are as they were asked for."""
    launched = launch_file(
        'face_classification.launch.py',
        'image:=/camera/image_raw',
        'image_transport:=compressed',
        'namespace:=robot/x',
        'publish_annotated:=false',
    )
    launched.wait_for('faces on /robot/x/face_classification/faces')
    launched.wait_for('pictures from /camera/image_raw/compressed')
    values = {'image_transport': 'compressed', 'publish_annotated': False}
    node = '/robot/x/face_classification'
    assert parameters_of_node(peer, node, list(values)) == values


def test_parameter_file_holds_where_no_argument_is_given(
    launch_file: StartLaunch, peer: Peer, tmp_path: Path
) -> None:
    """A launch argument that nobody gave undoes nothing in a user's file."""
    values = {
        'image_transport': 'compressed',
        'publish_annotated': False,
        'max_processing_rate': 5.0,
    }
    file = tmp_path / 'mine.yaml'
    file.write_text(yaml.safe_dump({NODE: {'ros__parameters': values}}))
    launched = launch_file('face_classification.launch.py', f'params_file:={file}')
    launched.wait_for('faces on /face_classification/faces')
    assert parameters_of_node(peer, '/face_classification', list(values)) == values


def test_profile_is_set_for_the_node(launch_file: StartLaunch) -> None:
    """Big pictures arrive without anything that the user has to know."""
    launched = launch_file('face_classification.launch.py')
    (pid,) = launched.wait_for(r'process started with pid \[(\d+)\]')
    launched.wait_for('faces on')
    environment = environment_of(pid)
    for variable in PROFILE_VARIABLES:
        assert environment[variable] == str(share_folder() / 'config' / PROFILE)


@pytest.mark.parametrize('own', PROFILE_VARIABLES)
def test_profile_of_the_user_stays(
    own: str, launch_file: StartLaunch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Who has set up Fast DDS already is not overruled."""
    profile = tmp_path / 'own.xml'
    profile.write_bytes((share_folder() / 'config' / PROFILE).read_bytes())
    monkeypatch.setenv(own, str(profile))
    launched = launch_file('face_classification.launch.py')
    (pid,) = launched.wait_for(r'process started with pid \[(\d+)\]')
    launched.wait_for('faces on')
    environment = environment_of(pid)
    assert {environment[variable] for variable in PROFILE_VARIABLES} == {str(profile)}


def test_profile_can_be_left_out(launch_file: StartLaunch) -> None:
    """An empty argument leaves Fast DDS as it is installed."""
    launched = launch_file('face_classification.launch.py', 'fastdds_profile:=')
    (pid,) = launched.wait_for(r'process started with pid \[(\d+)\]')
    launched.wait_for('faces on')
    assert not set(PROFILE_VARIABLES) & set(environment_of(pid))


def test_care_o_bot_3_looks_through_its_kinect(launch_file: StartLaunch, peer: Peer) -> None:
    """Without any argument the topic and the parameters are the robot's."""
    launched = launch_file('care_o_bot_3.launch.py')
    launched.wait_for('pictures from /cam3d/rgb/image_raw ')
    launched.wait_for('positions by /cam3d/depth_registered/image_raw and /cam3d/rgb/camera_info')
    launched.wait_for('faces on /cam3d/face_classification/faces')
    values = parameters_in('care_o_bot_3.yaml')
    assert parameters_of_node(peer, '/cam3d/face_classification', list(values)) == values


def test_care_o_bot_4_has_a_node_for_each_camera(launch_file: StartLaunch, peer: Peer) -> None:
    """Cameras are switched on and off; each node has the parameters of its camera."""
    launched = launch_file(
        'care_o_bot_4.launch.py',
        'sensorring_cam3d:=false',
        'sensorring_cam3d_back:=true',
        'sensorring_cam3d_back_rotation:=180',
        'image_transport:=compressed',
    )
    assert set(launched.wait_for(r'pictures from (\S+) ', 2)) == {
        '/head_cam/image_raw/compressed',
        '/sensorring_cam3d_back/rgb/image_raw/compressed',
    }
    ring = '/sensorring_cam3d_back'
    launched.wait_for(
        f'positions by {ring}/aligned_depth_to_color/image_raw and {ring}/rgb/camera_info'
    )
    for camera, file, rotation in (
        ('head_cam', 'care_o_bot_4_head.yaml', 0),
        ('sensorring_cam3d_back', 'care_o_bot_4_sensorring.yaml', 180),
    ):
        launched.wait_for(f'faces on /{camera}/face_classification/faces')
        values = {**parameters_in(file), 'rotation': rotation}
        assert parameters_of_node(peer, f'/{camera}/face_classification', list(values)) == values
    assert len(launched.wait_for('process started with pid')) == 2


def test_node_that_crashed_comes_back_active(launch_file: StartLaunch, peer: Peer) -> None:
    """After SIGKILL it is started again and looks again, with what the launch file gave it."""
    launched = launch_file(
        'face_classification.launch.py', 'image:=/camera/image_raw', 'namespace:=robot'
    )
    (pid,) = launched.wait_for(r'process started with pid \[(\d+)\]')
    launched.wait_for('faces on /robot/face_classification/faces')
    os.kill(int(pid), signal.SIGKILL)
    launched.wait_for('faces on /robot/face_classification/faces', 2)
    assert launched.wait_for('pictures from (/camera/image_raw) ', 2)
    assert set(launched.wait_for(r'process started with pid \[(\d+)\]', 2)) > {pid}
    state = peer.call(GetState, '/robot/face_classification/get_state', GetState.Request())
    assert state.current_state.label == 'active'


def test_node_waits_for_a_lifecycle_manager(launch_file: StartLaunch, peer: Peer) -> None:
    """With `autostart:=false` it is there and does nothing until it is told to."""
    launch_file('face_classification.launch.py', 'autostart:=false')
    state = peer.call(GetState, '/face_classification/get_state', GetState.Request())
    assert state.current_state.label == 'unconfigured'


def test_each_camera_has_a_node_in_its_namespace(launch_file: StartLaunch, peer: Peer) -> None:
    """Names and one topic are enough; a topic that is relative is each camera's own."""
    launched = launch_file(
        'cameras.launch.py',
        'cameras:=front, back',
        'image:=color/image_raw',
        'namespace:=robot',
        'publish_annotated:=false',
    )
    assert set(launched.wait_for(r'pictures from (\S+) ', 2)) == {
        '/robot/front/color/image_raw',
        '/robot/back/color/image_raw',
    }
    for camera in ('front', 'back'):
        launched.wait_for(f'faces on /robot/{camera}/face_classification/faces')
        node = f'/robot/{camera}/face_classification'
        assert parameters_of_node(peer, node, ['publish_annotated']) == {
            'publish_annotated': False
        }


def test_cameras_that_differ_come_from_a_file(
    launch_file: StartLaunch, peer: Peer, tmp_path: Path
) -> None:
    """What one camera is given, its neighbors do not get."""
    parameters = tmp_path / 'slow.yaml'
    parameters.write_text(
        yaml.safe_dump({NODE: {'ros__parameters': {'max_processing_rate': 2.0}}})
    )
    file = tmp_path / 'cameras.yaml'
    file.write_text(
        f'front:\n  image: /elsewhere/image_raw\n  params_file: {parameters}\n'
        '  publish_annotated: false\nback:\n'
    )
    launched = launch_file('cameras.launch.py', f'cameras:={file}')
    assert set(launched.wait_for(r'pictures from (\S+) ', 2)) == {
        '/elsewhere/image_raw',
        '/back/image',
    }
    for camera, values in (
        ('front', {'max_processing_rate': 2.0, 'publish_annotated': False}),
        ('back', {'max_processing_rate': 0.0, 'publish_annotated': True}),
    ):
        launched.wait_for(f'faces on /{camera}/face_classification/faces')
        node = f'/{camera}/face_classification'
        assert parameters_of_node(peer, node, list(values)) == values


@pytest.mark.parametrize(
    'content, complaint',
    [
        ('- front', 'expected names of cameras, each with its arguments'),
        ('front: /front/image_raw', "front has '/front/image_raw', expected arguments"),
        ('front:\n  images: x', 'front has images, expected some of autostart, camera_info'),
    ],
)
def test_file_of_cameras_that_is_wrong_starts_nothing(
    content: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, domain: int
) -> None:
    """One line says which camera and what is wrong with it."""
    require_launch()
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    file = tmp_path / 'cameras.yaml'
    file.write_text(content)
    launched = Launched(tmp_path / 'launch.log', 'cameras.launch.py', (f'cameras:={file}',))
    assert launched.wait() == 1
    assert f'{file}: {problem}' in launched.log
    assert 'process started' not in launched.log


def test_a_bag_is_replayed_and_ends_the_launch(launch_file: StartLaunch, tmp_path: Path) -> None:
    """The node runs in the time of the recording, and every picture is answered."""
    pytest.importorskip('rosbags', reason='needs the extra [archive]')
    from face_classification_ros.ros.bags import write_sample

    write_sample(tmp_path / 'bag', [HEAD] * 6, 10.0, 'mcap', compressed=True)
    launched = launch_file(
        'replay.launch.py',
        f'bag:={tmp_path / "bag"}',
        'image_transport:=compressed',
        'namespace:=robot',
        'rate:=2.0',
        f'record:={tmp_path / "faces.json"}',
    )
    launched.wait_for(
        '6 pictures answered, 0 left out by max_processing_rate, 0 unreadable; 6 faces'
    )
    assert launched.wait() == 0
    assert len(json.loads((tmp_path / 'faces.json').read_text())) == 6


def test_a_replay_without_a_bag_waits_for_one(launch_file: StartLaunch, peer: Peer) -> None:
    """As `ros2 bag play --clock` needs it: the node alone, which has the recording's time."""
    launched = launch_file(
        'replay.launch.py', 'image:=/camera/image_raw', 'image_reliability:=best_effort'
    )
    launched.wait_for('faces on /face_classification/faces')
    values = {'use_sim_time': True, 'image_reliability': 'best_effort'}
    assert parameters_of_node(peer, '/face_classification', list(values)) == values
    assert len(launched.wait_for('process started with pid')) == 1
