"""The two ends of a test over real DDS: the node as a process, and a peer that talks to it."""

from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from ament_index_python.packages import get_package_prefix
from builtin_interfaces.msg import Time
import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import ChangeState, GetState
import numpy as np
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue, SetParametersResult
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage
import skimage.data
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo

from face_classification_ros.msg import FaceAttributes, FaceAttributesArray
from face_classification_ros.types import BoundingBox, Image

TIMEOUT = 60.0
"""Seconds after which a test gives up: far more than anything takes on a busy machine."""

RESPONSE_TIMEOUT = 10.0
"""Seconds after which the response of a service must have got lost."""

RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)

# Small enough that no picture is lost in the shared memory of Fast DDS as it is installed.
HEAD: Image = np.ascontiguousarray(skimage.data.astronaut()[20:220, 130:330, ::-1])
"""The head of Eileen Collins, who is a woman and smiles; BGR."""

FACE = BoundingBox(48, 43, 90, 113)
"""Where her face is in `HEAD`."""

BLANK: Image = np.full((120, 160, 3), 128, np.uint8)
"""A picture without a face."""


def image_message(image: Image, encoding: str = 'bgr8') -> ImageMessage:
    """Make a message of a BGR picture in bgr8, rgb8 or mono8; the stamp is set when it is sent."""
    pixels = {
        'bgr8': lambda: image,
        'rgb8': lambda: image[..., ::-1],
        'mono8': lambda: cv2.cvtColor(image, cv2.COLOR_BGR2GRAY),
    }[encoding]()
    height, width = image.shape[:2]
    message = ImageMessage(height=height, width=width, encoding=encoding)
    message.step = pixels.nbytes // height
    message.data.frombytes(np.ascontiguousarray(pixels))
    return message


def compressed_message(image: Image, suffix: str) -> CompressedImage:
    """Make a message of a BGR picture in jpeg or png, as image_transport does."""
    encoded = cv2.imencode(f'.{suffix}', image)[1]
    message = CompressedImage(format=f'bgr8; {suffix} compressed bgr8')
    message.data.frombytes(encoded)
    return message


def box_of(face: FaceAttributes) -> BoundingBox:
    """Give the box of a face in a message."""
    roi = face.roi
    return BoundingBox(roi.x_offset, roi.y_offset, roi.width, roi.height)


class NodeProcess:
    """The node as a user starts it, with its log in a file.

    Attributes:
        full_name: of the node, with its namespace.
    """

    def __init__(self, log: Path, domain: int, arguments: tuple[str, ...]) -> None:
        """Start the process; `arguments` come after `--ros-args`."""
        program = Path(sys.executable).parent / 'face_classification_node'
        if not program.exists():
            # Where colcon puts it.
            prefix = Path(get_package_prefix('face_classification_ros'))
            program = prefix / 'lib' / 'face_classification_ros' / 'face_classification_node'
        remapped = dict(each.split(':=', 1) for each in arguments if each.startswith('__'))
        namespace = remapped.get('__ns', '/').rstrip('/')
        self.full_name = f'{namespace}/{remapped.get("__node", "face_classification")}'
        self._path = log
        environment = {
            **os.environ,
            'PYTHONUNBUFFERED': '1',
            'RCUTILS_COLORIZED_OUTPUT': '0',
            'ROS_DOMAIN_ID': str(domain),
            'ROS_LOG_DIR': str(log.parent / 'ros_logs'),
        }
        with log.open('w') as file:
            self._process = subprocess.Popen(
                [str(program), '--ros-args', *arguments],
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    @property
    def log(self) -> str:
        """What the node has printed so far."""
        return self._path.read_text()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process has not ended yet."""
        return self._process.poll() is None

    @property
    def processor_time(self) -> float:
        """Seconds that the process had a processor so far."""
        fields = Path(f'/proc/{self._process.pid}/stat').read_text().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    @property
    def resident_memory(self) -> float:
        """Megabytes of memory that the process has now."""
        pages = int(Path(f'/proc/{self._process.pid}/statm').read_text().split()[1])
        return pages * os.sysconf('SC_PAGE_SIZE') / 1e6

    @property
    def num_threads(self) -> int:
        """Number of threads of the process."""
        return len(list(Path(f'/proc/{self._process.pid}/task').iterdir()))

    def wait_for_log(self, text: str, timeout: float = TIMEOUT) -> str:
        """Wait for a line that contains `text`, and give it."""
        end = time.monotonic() + timeout
        while True:
            running = self.running
            for line in self.log.splitlines():
                if text in line:
                    return line
            assert running, f'the node ended before it said {text!r}:\n{self.log}'
            assert time.monotonic() < end, f'the node never said {text!r}:\n{self.log}'
            time.sleep(0.02)

    def wait(self, timeout: float = TIMEOUT) -> int:
        """Wait for the end of the process, and give its exit code."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f'the node did not end in {timeout} s:\n{self.log}') from None

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Send a signal, and give the exit code."""
        self._process.send_signal(how)
        return self.wait()

    def send(self, how: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(how)

    def kill(self) -> None:
        """End the process whatever it does; one that has ended stays as it is."""
        self._process.kill()
        self._process.wait()


def wait_until_active(node: NodeProcess, domain: int, count: int = 1) -> None:
    """Wait until a node and others of the same name, `count` in all, are active.

    A node publishes its latched label_info when it becomes active.
    """
    peer = Peer(domain, 'readiness')
    qos = QoSProfile(
        depth=10,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )
    try:
        received = peer.collect(LabelInfo, f'{node.full_name}/label_info', qos)
        peer.wait_for(lambda: len(received) >= count or not node.running, 'an active node')
    finally:
        peer.close()
    assert node.running, f'the node ended before it was active:\n{node.log}'


class Peer:
    """A ROS node of the test itself: a camera, a subscriber and a client in one."""

    def __init__(self, domain: int, name: str = 'peer') -> None:
        """Join a domain."""
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = Node(
            name, context=self._context, enable_rosout=False, start_parameter_services=False
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._clients: dict[str, Any] = {}

    def close(self) -> None:
        """Leave the domain."""
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def happens(self, predicate: Callable[[], Any], timeout: float) -> Any:
        """Receive messages until the predicate gives something true or time is up; give it."""
        end = time.monotonic() + timeout
        while not (result := predicate()) and time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.02)
        return result

    def wait_for(
        self, predicate: Callable[[], Any], what: str = '', timeout: float = TIMEOUT
    ) -> Any:
        """Receive messages until the predicate gives something true, and give that."""
        result = self.happens(predicate, timeout)
        assert result, f'waited {timeout} s in vain for {what or predicate}'
        return result

    def spin(self, duration: float) -> None:
        """Receive messages for some seconds, where there is nothing to wait for."""
        end = time.monotonic() + duration
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.005)

    def collect(self, kind: type, topic: str, qos: QoSProfile = RELIABLE) -> list[Any]:
        """Subscribe; give the list into which the messages come."""
        messages: list[Any] = []
        self.node.create_subscription(kind, topic, messages.append, qos)
        return messages

    def call(self, kind: type, name: str, request: Any) -> Any:
        """Call a service and give its response; for services that may be called twice."""
        end = time.monotonic() + TIMEOUT
        while (response := self._call_once(kind, name, request)) is None:
            assert time.monotonic() < end, f'no answer of {name} within {TIMEOUT} s'
        return response

    def _call_once(self, kind: type, name: str, request: Any) -> Any:
        """Call a service and give its response, None where that got lost.

        It does where the server gets the request before it knows of the client's reader, which
        happens on a busy machine. The client is kept, so that it does so the first time only.
        """
        future = self.start_call(kind, name, request)
        self.happens(future.done, RESPONSE_TIMEOUT)
        return future.result()

    def start_call(self, kind: type, name: str, request: Any) -> Future:
        """Call a service and give the future of its response, which may get lost."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, name)
        client = self._clients[name]
        self.wait_for(client.service_is_ready, f'the service {name}')
        return client.call_async(request)

    def set_parameter(
        self, name: str, value: bool | float | str | list[str]
    ) -> SetParametersResult:
        """Set a parameter of the node as `ros2 param set` does."""
        request = SetParameters.Request(parameters=[_parameter(name, value)])
        response = self.call(SetParameters, '/face_classification/set_parameters', request)
        return response.results[0]

    def set_parameters(self, **values: bool | float | str | list[str]) -> SetParametersResult:
        """Set parameters of the node, all or none of them."""
        request = SetParametersAtomically.Request(
            parameters=[_parameter(name, value) for name, value in values.items()]
        )
        service = '/face_classification/set_parameters_atomically'
        return self.call(SetParametersAtomically, service, request).result

    def change_state(self, transition: int) -> bool:
        """Ask the node for a transition of its life cycle; tell whether it was done."""
        before = self.state()
        request = ChangeState.Request()
        request.transition.id = transition
        response = self._call_once(ChangeState, '/face_classification/change_state', request)
        return self.state() != before if response is None else bool(response.success)

    def state(self) -> str:
        """Give the state of the node's life cycle."""
        response = self.call(GetState, '/face_classification/get_state', GetState.Request())
        return str(response.current_state.label)


class Camera:
    """Publishes pictures and gets the node's answers to them."""

    def __init__(
        self,
        peer: Peer,
        topic: str = '/image',
        faces: str = '/face_classification/faces',
        *,
        kind: type = ImageMessage,
        qos: QoSProfile = RELIABLE,
    ) -> None:
        """Offer pictures and subscribe to faces."""
        self._peer = peer
        self._publisher = peer.node.create_publisher(kind, topic, qos)
        self._next_stamp = 1_000_000_000
        self.answers: list[FaceAttributesArray] = peer.collect(FaceAttributesArray, faces)

    def close(self) -> None:
        """Offer no pictures any more."""
        self._peer.node.destroy_publisher(self._publisher)

    @property
    def next_stamp(self) -> float:
        """Stamp in seconds of the next picture."""
        return self._next_stamp / 1e9

    def matches(self) -> int:
        """Give the number of subscribers that this camera found."""
        return int(self._publisher.get_subscription_count())

    def publish(
        self, message: ImageMessage | CompressedImage, stamp: float | None = None
    ) -> Header:
        """Send a picture once; a tenth of a second after the last one, by its stamp.

        Returns:
            the header that it was sent with.
        """
        nanoseconds = self._next_stamp if stamp is None else round(stamp * 1e9)
        self._next_stamp = nanoseconds + 100_000_000
        whole, rest = divmod(nanoseconds, 1_000_000_000)
        message.header = Header(stamp=Time(sec=whole, nanosec=rest), frame_id='head_camera')
        self._publisher.publish(message)
        return message.header

    def send(self, message: ImageMessage | CompressedImage | bytes) -> None:
        """Send a message as it is, or what shall pass for one."""
        self._publisher.publish(message)

    def connect(self, message: ImageMessage | CompressedImage | None = None) -> None:
        """Wait until the node answers, so that nothing sent from now on is lost."""
        self._peer.wait_for(self.matches, 'a subscriber to the pictures')
        message = message or image_message(BLANK)
        server_timeout = 0.1
        # The node may know this camera before it knows that somebody wants the answers.
        while not self._peer.happens(self._result_of(self.publish(message)), server_timeout):
            assert server_timeout < TIMEOUT, 'the node answers no picture'
            server_timeout *= 1.5
        self.answers.clear()

    def _result_of(self, header: Header) -> Callable[[], FaceAttributesArray | None]:
        return lambda: next((each for each in self.answers if each.header == header), None)

    def ask(
        self, message: ImageMessage | CompressedImage, stamp: float | None = None
    ) -> FaceAttributesArray:
        """Send a picture and give the node's answer to it."""
        header = self.publish(message, stamp)
        return self._peer.wait_for(
            self._result_of(header), f'the answer to the picture of {header.stamp}'
        )


class LiveCamera:
    """A camera that runs by itself, as a robot's does; stamps are those of the clock."""

    def __init__(self, peer: Peer, image: Image, topic: str = '/image') -> None:
        """Show a picture ten times a second until `close`."""
        self._publisher = peer.node.create_publisher(ImageMessage, topic, RELIABLE)
        self._clock = peer.node.get_clock()
        self._message: ImageMessage | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.show(image)
        self._thread.start()

    def show(self, image: Image | None) -> None:
        """Show another picture from now on, or none."""
        self._message = None if image is None else image_message(image)

    def close(self) -> None:
        """Stop."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.1):
            if (message := self._message) is not None:
                message.header = Header(stamp=self._clock.now().to_msg(), frame_id='head_camera')
                self._publisher.publish(message)


class Monitor:
    """Listens to /diagnostics as rqt_robot_monitor does."""

    def __init__(self, peer: Peer) -> None:
        """Subscribe."""
        self._peer = peer
        self.arrays: list[DiagnosticArray] = peer.collect(DiagnosticArray, '/diagnostics')

    def status(self, part: str) -> DiagnosticStatus | None:
        """Give the newest line of a part of the node."""
        name = f'face_classification: {part}'
        return next((s for s in self.arrays[-1].status if s.name == name), None)

    def next_values(self, part: str = 'pictures') -> dict[str, str]:
        """Give the figures of a part in a message that comes from now on."""
        self.arrays.clear()
        self._peer.wait_for(lambda: self.arrays, 'diagnostics')
        status = self.status(part)
        assert status is not None
        return {each.key: each.value for each in status.values}

    def wait_for(self, part: str, level: bytes, text: str) -> None:
        """Wait until a part has a level and says something."""

        def has_come() -> bool:
            status = self.status(part) if self.arrays else None
            return status is not None and status.level == level and text in status.message

        self._peer.wait_for(has_come, f'{part}: {text}')


def _parameter(name: str, value: bool | float | str | list[str]) -> Parameter:
    content = ParameterValue()
    if isinstance(value, bool):
        content.type, content.bool_value = ParameterType.PARAMETER_BOOL, value
    elif isinstance(value, int):
        content.type, content.integer_value = ParameterType.PARAMETER_INTEGER, value
    elif isinstance(value, float):
        content.type, content.double_value = ParameterType.PARAMETER_DOUBLE, value
    elif isinstance(value, str):
        content.type, content.string_value = ParameterType.PARAMETER_STRING, value
    else:
        content.type, content.string_array_value = ParameterType.PARAMETER_STRING_ARRAY, value
    return Parameter(name=name, value=content)
