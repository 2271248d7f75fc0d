"""Provide both ends of a test over real DDS: the node as a process, and its peers."""

from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time
from typing import Any, IO

from ament_index_python.packages import get_package_prefix
from builtin_interfaces.msg import Time
import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import ChangeState, GetState
import numpy as np
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue, SetParametersResult
from rcl_interfaces.srv import GetParameters, SetParameters, SetParametersAtomically
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage
import skimage.data
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo

from face_classification_ros.msg import AttributeEstimate, FaceAttributes, FaceAttributesArray
from face_classification_ros.types import BoundingBox, Image

SHARED_MEMORY = 'RTPS_TRANSPORT_SHM'

TIMEOUT = 60.0
"""Seconds after which a test fails: far more than anything takes on a busy machine."""

RESPONSE_TIMEOUT = 10.0
"""Seconds after which the response of a service is considered lost."""

RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)

# Small enough that Fast DDS with its defaults loses no image in shared memory.
HEAD: Image = np.ascontiguousarray(skimage.data.astronaut()[20:220, 130:330, ::-1])
"""Head of Eileen Collins, a woman who smiles; BGR."""

FACE = BoundingBox(48, 43, 90, 113)
"""Box of her face in `HEAD`."""

BLANK: Image = np.full((120, 160, 3), 128, np.uint8)
"""An image without a face."""


def without_shared_memory(printed: str) -> str:
    """Return what a process printed, without the lines about the shared memory of Fast DDS.

    It writes them when other processes, such as those of other tests, open a port of the same
    number at the same time, or were killed with one.
    """
    lines = printed.splitlines(keepends=True)
    return ''.join(line for line in lines if SHARED_MEMORY not in line)


def read_line(stream: IO[str]) -> str:
    """Return the next line of a process that is not about the shared memory of Fast DDS."""
    return next((line for line in stream if SHARED_MEMORY not in line), '')


def image_message(image: Image, encoding: str = 'bgr8') -> ImageMessage:
    """Return a message of a BGR image in bgr8, rgb8 or mono8; `Camera` sets its header."""
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
    """Return a message of a BGR image in jpeg or png, as image_transport does."""
    encoded = cv2.imencode(f'.{suffix}', image)[1]
    message = CompressedImage(format=f'bgr8; {suffix} compressed bgr8')
    message.data.frombytes(encoded)
    return message


def box_of(face: FaceAttributes) -> BoundingBox:
    """Return the box of a face in a message."""
    roi = face.roi
    return BoundingBox(roi.x_offset, roi.y_offset, roi.width, roi.height)


def pixels_of(message: ImageMessage) -> Image:
    """Return the pixels of a bgr8 message."""
    assert message.encoding == 'bgr8'
    return np.frombuffer(bytes(message.data), np.uint8).reshape(message.height, message.width, 3)


def estimate(face: FaceAttributes, attribute: str) -> AttributeEstimate:
    """Return the estimate of an attribute of a face."""
    (found,) = [each for each in face.attributes if each.name == attribute]
    return found


class NodeProcess:
    """The node as a user starts it, with its log in a file.

    Attributes:
        full_name: of the node, with its namespace.
    """

    def __init__(self, log: Path, domain: int, arguments: tuple[str, ...]) -> None:
        """Start the process; `arguments` come after `--ros-args`."""
        program = Path(sys.executable).parent / 'face_classification_node'
        if not program.exists():
            # Installed by colcon.
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
        return without_shared_memory(self._path.read_text())

    @property
    def errors(self) -> list[str]:
        """The lines about errors."""
        return [line for line in self.log.splitlines() if 'Traceback' in line or 'Error' in line]

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process has not ended yet."""
        return self._process.poll() is None

    @property
    def processor_time(self) -> float:
        """Processor time in seconds that the process has used."""
        fields = Path(f'/proc/{self._process.pid}/stat').read_text().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    @property
    def resident_memory(self) -> float:
        """Resident memory of the process in megabytes."""
        pages = int(Path(f'/proc/{self._process.pid}/statm').read_text().split()[1])
        return pages * os.sysconf('SC_PAGE_SIZE') / 1e6

    @property
    def num_threads(self) -> int:
        """Number of threads of the process."""
        return len(list(Path(f'/proc/{self._process.pid}/task').iterdir()))

    def wait_for_log(self, text: str, timeout: float = TIMEOUT) -> str:
        """Wait for a line that contains `text`, and return it."""
        end = time.monotonic() + timeout
        while True:
            running = self.running
            for line in self.log.splitlines():
                if text in line:
                    return line
            assert running, f'the node ended before it logged {text!r}:\n{self.log}'
            assert time.monotonic() < end, f'the node did not log {text!r}:\n{self.log}'
            time.sleep(0.02)

    def wait(self, timeout: float = TIMEOUT) -> int:
        """Wait for the end of the process, and return its exit code."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f'the node did not end in {timeout} s:\n{self.log}') from None

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Send a signal, and return the exit code."""
        self._process.send_signal(how)
        return self.wait()

    def send(self, how: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(how)

    def kill(self) -> None:
        """Kill the process if it still runs."""
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
    """A ROS node of the test: a camera, a subscriber and a client in one."""

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
        """Receive messages until the predicate is true or time is up, and return its value."""
        end = time.monotonic() + timeout
        while not (result := predicate()) and time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.02)
        return result

    def wait_for(
        self, predicate: Callable[[], Any], what: str = '', timeout: float = TIMEOUT
    ) -> Any:
        """Receive messages until the predicate is true, and return its value."""
        result = self.happens(predicate, timeout)
        assert result, f'waited {timeout} s for {what or predicate}'
        return result

    def spin(self, duration: float) -> None:
        """Receive messages for some seconds."""
        end = time.monotonic() + duration
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.005)

    def collect(self, kind: type, topic: str, qos: QoSProfile = RELIABLE) -> list[Any]:
        """Subscribe, and return the list of received messages."""
        messages: list[Any] = []
        self.node.create_subscription(kind, topic, messages.append, qos)
        return messages

    def call(self, kind: type, name: str, request: Any) -> Any:
        """Call a service and return its response; the service may be called twice."""
        end = time.monotonic() + TIMEOUT
        while (response := self._call_once(kind, name, request)) is None:
            assert time.monotonic() < end, f'no response of {name} within {TIMEOUT} s'
        return response

    def _call_once(self, kind: type, name: str, request: Any) -> Any:
        """Call a service and return its response, None if it got lost.

        That happens on a busy machine if the server receives the request before it discovers the
        reader of the client; it cannot happen at later calls, because the client is kept.
        """
        future = self.start_call(kind, name, request)
        self.happens(future.done, RESPONSE_TIMEOUT)
        return future.result()

    def start_call(self, kind: type, name: str, request: Any) -> Future:
        """Call a service and return the future of its response, which may get lost."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, name)
        client = self._clients[name]
        self.wait_for(client.service_is_ready, f'the service {name}')
        return client.call_async(request)

    def get_parameters(self, node: str, *names: str) -> dict[str, Any]:
        """Return parameters of a node by name."""
        request = GetParameters.Request(names=names)
        values = self.call(GetParameters, f'{node}/get_parameters', request).values
        return dict(zip(names, map(parameter_value_to_python, values), strict=True))

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
        """Request a transition of the node, and return whether it succeeded."""
        before = self.state()
        request = ChangeState.Request()
        request.transition.id = transition
        response = self._call_once(ChangeState, '/face_classification/change_state', request)
        return self.state() != before if response is None else bool(response.success)

    def state(self) -> str:
        """Return the lifecycle state of the node."""
        response = self.call(GetState, '/face_classification/get_state', GetState.Request())
        return str(response.current_state.label)


class Camera:
    """Publishes images and receives the faces that the node publishes for them.

    Attributes:
        results: faces received so far.
    """

    def __init__(
        self,
        peer: Peer,
        topic: str = '/image',
        faces: str = '/face_classification/faces',
        *,
        kind: type = ImageMessage,
        qos: QoSProfile = RELIABLE,
    ) -> None:
        """Create a publisher of images and a subscription to faces."""
        self._peer = peer
        self._publisher = peer.node.create_publisher(kind, topic, qos)
        self._next_stamp = 1_000_000_000
        self.results: list[FaceAttributesArray] = peer.collect(FaceAttributesArray, faces)

    def close(self) -> None:
        """Remove the publisher."""
        self._peer.node.destroy_publisher(self._publisher)

    @property
    def next_stamp(self) -> float:
        """Stamp in seconds of the next image."""
        return self._next_stamp / 1e9

    def matches(self) -> int:
        """Return the number of matched subscribers."""
        return int(self._publisher.get_subscription_count())

    def publish(
        self, message: ImageMessage | CompressedImage, stamp: float | None = None
    ) -> Header:
        """Publish an image once; by its stamp 0.1 s after the last one.

        Returns:
            The header that it was published with.
        """
        nanoseconds = self._next_stamp if stamp is None else round(stamp * 1e9)
        self._next_stamp = nanoseconds + 100_000_000
        whole, rest = divmod(nanoseconds, 1_000_000_000)
        message.header = Header(stamp=Time(sec=whole, nanosec=rest), frame_id='head_camera')
        self._publisher.publish(message)
        return message.header

    def send(self, message: ImageMessage | CompressedImage | bytes) -> None:
        """Publish a message, or any bytes, unchanged."""
        self._publisher.publish(message)

    def connect(self, message: ImageMessage | CompressedImage | None = None) -> None:
        """Wait until the node publishes faces, so that later images are not lost."""
        self._peer.wait_for(self.matches, 'a subscriber to the images')
        message = message or image_message(BLANK)
        timeout = 0.1
        # The node may discover this camera before its subscription to faces.
        while not self._peer.happens(self._received(self.publish(message)), timeout):
            assert timeout < TIMEOUT, 'the node publishes no faces'
            timeout *= 1.5
        self.results.clear()

    def _received(
        self, header: Header, start: int = 0
    ) -> Callable[[], FaceAttributesArray | None]:
        return lambda: next((each for each in self.results[start:] if each.header == header), None)

    def result_of(
        self, message: ImageMessage | CompressedImage, stamp: float | None = None
    ) -> FaceAttributesArray:
        """Publish an image, and return the faces that the node publishes for it.

        An image with the stamp of an earlier one does not return the faces of that one.
        """
        num_before = len(self.results)
        header = self.publish(message, stamp)
        return self._peer.wait_for(
            self._received(header, num_before), f'the faces of the image of {header.stamp}'
        )


class LiveCamera:
    """A camera that runs in a thread, with the stamps of the clock."""

    def __init__(self, peer: Peer, image: Image, topic: str = '/image') -> None:
        """Publish an image ten times a second until `close`."""
        self._publisher = peer.node.create_publisher(ImageMessage, topic, RELIABLE)
        self._clock = peer.node.get_clock()
        self._message: ImageMessage | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.show(image)
        self._thread.start()

    def show(self, image: Image | None) -> None:
        """Publish another image from now on, or none."""
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
    """Receives /diagnostics as rqt_robot_monitor does."""

    def __init__(self, peer: Peer) -> None:
        """Subscribe."""
        self._peer = peer
        self.arrays: list[DiagnosticArray] = peer.collect(DiagnosticArray, '/diagnostics')

    def status(self, part: str) -> DiagnosticStatus | None:
        """Return the newest status of a part of the node."""
        name = f'face_classification: {part}'
        return next((s for s in self.arrays[-1].status if s.name == name), None)

    def next_values(self, part: str = 'images') -> dict[str, str]:
        """Return the values of a part in the next message that the node publishes."""
        self.arrays.clear()
        # The first one to arrive may have been published before.
        self._peer.wait_for(lambda: len(self.arrays) > 1, 'diagnostics')
        return self._values(part)

    def wait_for(self, part: str, level: bytes, code: str, reason: str = '') -> DiagnosticStatus:
        """Wait until a part has a level, a code and a reason, and return its status.

        Only messages that arrive from now on count: the level may be that of an earlier one.
        """

        def has_arrived() -> bool:
            status = self.status(part) if self.arrays else None
            return (
                status is not None
                and status.level == level
                and code in self._values(part)['code'].split(',')
                and reason in status.message
            )

        self.arrays.clear()
        self._peer.wait_for(has_arrived, f'{part}: {code}')
        status = self.status(part)
        assert status is not None
        return status

    def _values(self, part: str) -> dict[str, str]:
        status = self.status(part)
        assert status is not None
        return {each.key: each.value for each in status.values}


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
