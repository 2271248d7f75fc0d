"""Messages have the fields of the manual, and those of others their official type hashes."""

import json
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
import pytest
import vision_msgs.msg

import face_classification_ros.action
import face_classification_ros.msg
import face_classification_ros.srv
from face_classification_ros.tracking.observation import Outcome

# Of the official vision_msgs 4.1. Nodes with other hashes receive nothing from each other.
VISION_MSGS_HASHES = {
    'BoundingBox2D': '008eacbb0cf8f26e83795547bed013eec3675485ef386ec056d80eaaf1c1ce2f',
    'BoundingBox3D': 'bbb73a65c163d7f9bb29009c7bde9f7faa576bd2d23299c4511d19230dab4698',
    'Detection2D': '0d12b69df5c593b3455b7346fac8205437a7d4bcb09b9e0e0b2dde787ded38ea',
    'Detection2DArray': '214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968',
    'Detection3D': 'ddd703be132ab0b69d33121f1bb034132bfbb3b0ac5f9fb1516005ba1c8a265b',
    'Detection3DArray': '793f5eab9595ac1c0da07873cc859db42eae51f0ee76056db8562515d830e018',
    'ObjectHypothesis': '51da43cec11c01957a64d1e05a24acd18aae7745ec30b74348ad5f6d634f7f90',
    'ObjectHypothesisWithPose': '41c12344c0396c48b81df12467c192d99b2a0eb1463c5c37194e4223251c80bc',
    'Point2D': 'eab0e83f44ab4de92ceaf76dd7d0e7638f2bdd1d16ffbe16c7a136c48e407247',
    'Pose2D': 'b0b5d1d7b4c20dd4fcde3ed1d4b289a919290572007d67a97043814db25d3648',
    'VisionInfo': '95d3116a17484ad91c9a2686e1d54890bbfc3ff6c6a2de137738c4950d45d284',
}

# Of the official tf2_msgs 0.36.
TF_MESSAGE_HASH = 'e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087'

OFFICIAL_HASHES = {
    'tf2_msgs/TFMessage': TF_MESSAGE_HASH,
    **{f'vision_msgs/{name}': value for name, value in VISION_MSGS_HASHES.items()},
}

# Equal fields have equal hashes.
VISION_MSGS_FIELDS = {
    'LabelInfo': {
        'header': 'std_msgs/Header',
        'class_map': 'sequence<vision_msgs/VisionClass>',
        'threshold': 'float',
    },
    'VisionClass': {'class_id': 'uint16', 'class_name': 'string'},
}

OUR_FIELDS = {
    'AttributeEstimate': {
        'name': 'string',
        'label': 'string',
        'confidence': 'float',
        'labels': 'sequence<string>',
        'probabilities': 'sequence<float>',
        'frame_probabilities': 'sequence<float>',
        'frame_count': 'uint32',
    },
    'FaceAttributes': {
        'track_id': 'string',
        'roi': 'sensor_msgs/RegionOfInterest',
        'detection_confidence': 'float',
        'landmarks': 'sequence<geometry_msgs/Point32>',
        'attributes': 'sequence<face_classification_ros/AttributeEstimate>',
        'has_position': 'boolean',
        'position': 'geometry_msgs/Point',
        'is_size_plausible': 'boolean',
        'has_orientation': 'boolean',
        'orientation': 'geometry_msgs/Quaternion',
        'looking_at_camera': 'float',
        'first_seen': 'builtin_interfaces/Time',
    },
    'FaceAttributesArray': {
        'header': 'std_msgs/Header',
        'image_width': 'uint32',
        'image_height': 'uint32',
        'position_frame_id': 'string',
        'faces': 'sequence<face_classification_ros/FaceAttributes>',
        'processing_time': 'float',
    },
}

FACES_OR_REASON = {
    'success': 'boolean',
    'code': 'string',
    'message': 'string',
    'faces': 'face_classification_ros/FaceAttributesArray',
}

OUR_SERVICES = {
    'GetFaces': (
        {
            'max_age': 'float',
            'timeout': 'float',
            'min_confidence': 'float',
            'looking_at_camera': 'boolean',
        },
        FACES_OR_REASON,
    ),
    'ClassifyImage': (
        {'image': 'sensor_msgs/Image', 'compressed_image': 'sensor_msgs/CompressedImage'},
        FACES_OR_REASON,
    ),
    'CountPeople': (
        {'window': 'float', 'attribute': 'string'},
        {
            'success': 'boolean',
            'code': 'string',
            'message': 'string',
            'labels': 'sequence<string>',
            'counts': 'sequence<uint32>',
            'unknown': 'uint32',
            'total': 'uint32',
        },
    ),
}


@pytest.mark.parametrize('name', OFFICIAL_HASHES)
def test_message_of_another_package_has_the_official_type_hash(name: str) -> None:
    """Nodes with the official package can communicate with ours."""
    package, message = name.split('/')
    path = Path(get_package_share_directory(package), 'msg', f'{message}.json')
    hashes = {
        entry['type_name']: entry['hash_string']
        for entry in json.loads(path.read_text())['type_hashes']
    }
    assert hashes[f'{package}/msg/{message}'] == f'RIHS01_{OFFICIAL_HASHES[name]}'


@pytest.mark.parametrize('name', VISION_MSGS_FIELDS)
def test_vision_message_has_the_official_fields(name: str) -> None:
    """Nodes with the official vision_msgs can communicate with ours."""
    fields = getattr(vision_msgs.msg, name).get_fields_and_field_types()
    assert fields == VISION_MSGS_FIELDS[name]
    assert list(fields) == list(VISION_MSGS_FIELDS[name])


@pytest.mark.parametrize('name', OUR_FIELDS)
def test_our_message_has_the_fields_of_the_manual(name: str) -> None:
    """Another name or type breaks the nodes of users."""
    fields = getattr(face_classification_ros.msg, name).get_fields_and_field_types()
    assert fields == OUR_FIELDS[name]
    assert list(fields) == list(OUR_FIELDS[name])


@pytest.mark.parametrize('name', OUR_SERVICES)
def test_our_service_has_the_fields_of_the_manual(name: str) -> None:
    """Another name or type breaks the programs of users."""
    service = getattr(face_classification_ros.srv, name)
    fields = [each.get_fields_and_field_types() for each in (service.Request, service.Response)]
    assert fields == list(OUR_SERVICES[name])


def test_our_action_has_the_fields_and_outcomes_of_the_manual() -> None:
    """Another field or number breaks the programs of users."""
    observe = face_classification_ros.action.Observe
    fields = [
        each.get_fields_and_field_types()
        for each in (observe.Goal, observe.Result, observe.Feedback)
    ]
    faces = {'faces': 'sequence<face_classification_ros/FaceAttributes>'}
    assert fields == [
        {'track_id': 'string', 'frames': 'uint32', 'duration': 'float'},
        {'outcome': 'uint8', 'code': 'string', 'reason': 'string', **faces},
        {'frames': 'uint32', **faces},
    ]
    outcomes = ['COMPLETED', 'NO_FACE', 'LOST', 'CANCELED', 'PREEMPTED', 'INTERRUPTED', 'REJECTED']
    assert [getattr(observe.Result, name) for name in outcomes] == list(range(7))
    assert [each.name for each in Outcome] == outcomes[:-1]
