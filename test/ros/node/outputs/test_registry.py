"""Outputs are created from the registry, and publish only what is subscribed to."""

from __future__ import annotations

from collections.abc import Iterator
import importlib
import inspect
from pathlib import Path
import re
from types import SimpleNamespace
from typing import Any

import pytest
import rclpy
from rclpy.lifecycle import Node
from ros_peers import Camera, HEAD, image_message, Peer
from std_msgs.msg import Int32

from face_classification_ros.ros.node import outputs
from face_classification_ros.ros.node.node import FaceClassificationNode
from face_classification_ros.ros.node.outputs import registry
from face_classification_ros.ros.node.outputs.output import Output, OutputFrame
from face_classification_ros.ros.node.parameters.node_config import NodeConfig
from face_classification_ros.ros.runtime import ros_running

CONTRIBUTING = Path(__file__).parents[4] / 'CONTRIBUTING.md'


@pytest.mark.parametrize('name', registry.OUTPUTS)
def test_registry_names_outputs(name: str) -> None:
    """Each line is a module and a class in it that is an output."""
    module, output = name.split(':')
    loaded = importlib.import_module(f'{outputs.__name__}.{module}')
    assert issubclass(getattr(loaded, output), Output)
    assert not inspect.isabstract(getattr(loaded, output))


@pytest.mark.parametrize('name', [each for each in registry.OUTPUTS if 'label_info' not in each])
def test_output_does_nothing_without_subscribers(
    name: str, domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It touches neither the image nor the faces, which do not exist here."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    module, output = name.split(':')
    loaded = importlib.import_module(f'{outputs.__name__}.{module}')
    nothing: Any = None
    config = NodeConfig(publish_tf=True)
    with ros_running([]):
        node = Node('outputs')
        created = getattr(loaded, output)(node)
        node.trigger_configure()
        node.trigger_activate()
        created.update(SimpleNamespace(classifiers={}), config)
        created.publish(OutputFrame(nothing, nothing, nothing, config))
        created.destroy()
        node.destroy_node()


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the example of "Add an output topic" to the outputs."""
    section = CONTRIBUTING.read_text().split('## Add an output topic')[1].split('\n## ')[0]
    module, line = re.findall(r'```\w*\n(.*?)```', section, re.DOTALL)
    (tmp_path / 'face_count.py').write_text(module)
    monkeypatch.setattr(outputs, '__path__', [*outputs.__path__, str(tmp_path)])
    (name,) = re.findall(r"'(.*)'", line)
    monkeypatch.setattr(registry, 'OUTPUTS', (*registry.OUTPUTS, name))


@pytest.fixture
def node(
    example: None, domain: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FaceClassificationNode]:
    """Return an active node in this process with the example."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    with ros_running([]):
        node = FaceClassificationNode()
        node.trigger_configure()
        node.trigger_activate()
        yield node
        node.destroy_node()


def test_output_is_one_module_and_one_line(
    node: FaceClassificationNode, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example publishes after a subscription, and does nothing before it."""
    module = importlib.import_module(f'{outputs.__name__}.face_count')
    original, calls = module.FaceCountOutput.message, []

    def message(output: Output, frame: OutputFrame) -> Int32:
        calls.append(frame)
        return original(output, frame)

    monkeypatch.setattr(module.FaceCountOutput, 'message', message)
    camera = Camera(peer)

    def received(messages: list[object]) -> bool:
        camera.publish(image_message(HEAD))
        for _ in range(5):
            rclpy.spin_once(node, timeout_sec=0.02)
        return bool(messages)

    peer.wait_for(lambda: received(camera.results), 'faces')
    assert not calls
    counts = peer.collect(Int32, '/face_classification/face_count')
    peer.wait_for(lambda: received(counts), 'the number of faces')
    assert counts[0].data == 1
