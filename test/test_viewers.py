"""The files for rviz, Foxglove and rqt have their form, and show topics that a node has."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
import importlib
import importlib.util
import json
from pathlib import Path
import re
from typing import Any

import pytest
from ros_peers import NodeProcess, Peer
from rosidl_parser.definition import AbstractSequence, NamespacedType
import yaml

StartNode = Callable[..., NodeProcess]

ROOT = Path(__file__).resolve().parents[1]
RVIZ = ROOT / 'rviz' / 'face_classification.rviz'
FOXGLOVE = ROOT / 'foxglove' / 'face_classification.json'
RQT = ROOT / 'rqt' / 'face_classification.perspective'
LAUNCH = ROOT / 'launch' / 'face_classification.launch.py'

NAME = '/face_classification'

RVIZ_TYPES = {
    'rviz_default_plugins/Image': 'sensor_msgs/msg/Image',
    'rviz_default_plugins/MarkerArray': 'visualization_msgs/msg/MarkerArray',
    'vision_msgs_rviz_plugins/Detection3DArray': 'vision_msgs/msg/Detection3DArray',
}
"""Class of a display with a topic -> its type."""

# With all outputs, but for the topics of packages that are not installed.
EVERYTHING = ('-p', 'publish_tf:=true')


def rviz_topics() -> dict[str, str]:
    """Return topic -> type of all displays of rviz."""
    content = yaml.safe_load(RVIZ.read_text())
    displays = content['Visualization Manager']['Displays']
    return {
        each['Topic']['Value']: RVIZ_TYPES[each['Class']] for each in displays if 'Topic' in each
    }


def foxglove_panels() -> dict[str, Any]:
    """Return the panels of Foxglove that are part of the layout, with their settings."""
    content = json.loads(FOXGLOVE.read_text())

    def names(part: Any) -> Iterator[str]:
        if isinstance(part, str):
            yield part
        else:
            assert part['direction'] in ('row', 'column')
            yield from names(part['first'])
            yield from names(part['second'])

    shown = list(names(content['layout']))
    assert sorted(shown) == sorted(content['configById'])
    return dict(content['configById'])


def foxglove_topics() -> dict[str, str]:
    """Return topic -> type of all panels of Foxglove but the plot."""
    panels = {name.partition('!')[0]: each for name, each in foxglove_panels().items()}
    image = panels['Image']['imageMode']
    (annotations,) = image['annotations']
    markers, *frames = panels['3D']['topics']
    return {
        image['imageTopic']: 'sensor_msgs/msg/Image',
        annotations: 'foxglove_msgs/msg/ImageAnnotations',
        markers: 'visualization_msgs/msg/MarkerArray',
        **dict.fromkeys(frames, 'tf2_msgs/msg/TFMessage'),
        panels['RawMessages']['topicPath']: 'face_classification_ros/msg/FaceAttributesArray',
        panels['DiagnosticSummary']['topicToRender']: 'diagnostic_msgs/msg/DiagnosticArray',
    }


def rqt_topics() -> dict[str, str]:
    """Return topic -> type of all plugins of rqt."""
    manager = json.loads(RQT.read_text())['groups']['pluginmanager']
    running = ast.literal_eval(manager['keys']['running-plugins']['repr'])
    expected = {
        f'plugin__{name.replace("/", "__")}__{number}'
        for name, numbers in running.items()
        for number in numbers
    }
    assert set(manager['groups']) == expected
    settings = manager['groups']['plugin__rqt_image_view__ImageView__1']['groups']['plugin']
    topic = ast.literal_eval(settings['keys']['topic']['repr'])
    return {topic: 'sensor_msgs/msg/Image', '/diagnostics': 'diagnostic_msgs/msg/DiagnosticArray'}


@pytest.mark.parametrize('topics', [rviz_topics, foxglove_topics, rqt_topics])
def test_node_has_every_topic_with_its_type(
    start_node: StartNode, peer: Peer, topics: Callable[[], dict[str, str]]
) -> None:
    """Also those that are only published or only subscribed to with a parameter."""
    wanted = topics()
    if importlib.util.find_spec('foxglove_msgs') is None:
        wanted = {name: kind for name, kind in wanted.items() if 'foxglove' not in kind}
    if importlib.util.find_spec('tf2_ros') is None:
        # Only a node with a target frame subscribes to it.
        wanted.pop('/tf_static', None)
        start_node(*EVERYTHING)
    else:
        start_node(*EVERYTHING, '-p', 'target_frame:=map')

    def are_there() -> bool:
        present = dict(peer.node.get_topic_names_and_types())
        return all(present.get(name) == [kind] for name, kind in wanted.items())

    assert len(wanted) >= 2
    peer.wait_for(are_there, str(wanted))


def test_launch_file_moves_every_topic_of_rviz_to_the_namespace() -> None:
    """All topics of the file are below the node, and remapped."""
    (assigned,) = re.findall(r'^RVIZ_TOPICS = (.*)$', LAUNCH.read_text(), re.MULTILINE)
    assert {f'{NAME}/{name}' for name in ast.literal_eval(assigned)} == set(rviz_topics())


def fields_of(message_type: Any) -> dict[str, Any]:
    """Return the fields of a message with their types."""
    names = message_type.get_fields_and_field_types()
    return dict(zip(names, message_type.SLOT_TYPES, strict=True))


def test_plots_show_fields_of_the_messages() -> None:
    """Every path of the plot leads to a number."""
    from face_classification_ros.msg import FaceAttributesArray

    (plot,) = [each for name, each in foxglove_panels().items() if name.startswith('Plot!')]
    paths = [each['value'] for each in plot['paths']]
    assert paths
    for path in paths:
        topic, *parts = path.split('.')
        assert topic == f'{NAME}/faces'
        kind: Any = NamespacedType(['face_classification_ros', 'msg'], 'FaceAttributesArray')
        loaded: type = FaceAttributesArray
        for part in parts:
            name, _, index = part.partition('[')
            kind = fields_of(loaded)[name]
            if index:
                assert isinstance(kind, AbstractSequence), path
                kind = kind.value_type
            if isinstance(kind, NamespacedType):
                loaded = getattr(importlib.import_module('.'.join(kind.namespaces)), kind.name)
        assert kind.typename in ('float', 'double'), path
