"""Results of a recording are written as JSON."""

from face_classification_ros.evaluation.results import (
    AttributeResult,
    FaceResult,
    FrameResultRecord,
    record_of,
)
from face_classification_ros.types import BoundingBox


def test_record_contains_the_whole_result() -> None:
    """In the form of the other JSON files of the package."""
    woman = AttributeResult('woman', 0.75, {'woman': 0.75}, 3)
    happy = AttributeResult('happy', 0.75, {'happy': 0.75}, 3)
    face = FaceResult('1', BoundingBox(100, 50, 60, 80), 0.9, (), woman, happy, None)
    frame = FrameResultRecord(3, 1000.3, 0.3, 640, 480, (face,), 0.0123456)
    assert record_of(frame) == {
        'frame': 3,
        'stamp': 1000.3,
        'time': 0.3,
        'width': 640,
        'height': 480,
        'latency': 0.01235,
        'faces': [
            {
                'track_id': '1',
                'box': [100, 50, 60, 80],
                'confidence': 0.9,
                'landmarks': [],
                'position': None,
                'gender': {
                    'label': 'woman',
                    'confidence': 0.75,
                    'probabilities': {'woman': 0.75},
                    'frame_count': 3,
                },
                'emotion': {
                    'label': 'happy',
                    'confidence': 0.75,
                    'probabilities': {'happy': 0.75},
                    'frame_count': 3,
                },
            }
        ],
    }
