"""An expectation says in words that help what differs, and what in itself is wrong."""

from pathlib import Path

import pytest
import yaml

from face_classification_ros.evaluation.expectation import (
    ExpectationError,
    parse_expectation,
    propose_expectation,
    read_expectation,
)
from face_classification_ros.evaluation.results import (
    AttributeResult,
    FaceResult,
    FrameResultRecord,
    record_of,
)
from face_classification_ros.types import BoundingBox

BOX = BoundingBox(100, 50, 60, 80)
FAR_BOX = BoundingBox(400, 50, 60, 80)


def told(label: str) -> AttributeResult:
    """Give an answer that was told of an attribute."""
    return AttributeResult(label, 0.75, {label: 0.75}, 3)


def face(
    track: str, box: BoundingBox = BOX, gender: str = 'woman', emotion: str = 'happy'
) -> FaceResult:
    """Give a face of a picture."""
    return FaceResult(track, box, 0.9, (), told(gender), told(emotion), None)


def picture(number: int, *faces: FaceResult, latency: float | None = None) -> FrameResultRecord:
    """Give a picture of ten in a second."""
    time = number / 10
    return FrameResultRecord(number, 1000 + time, time, 640, 480, faces, latency)


def differences(content: object, pictures: list[FrameResultRecord]) -> list[str]:
    """Compare pictures with an expectation, each difference as a user reads it."""
    return [str(each) for each in parse_expectation(content).differences(pictures)]


TWO_SECONDS = [picture(number, face('1')) for number in range(20)]
"""One woman who smiles."""


@pytest.mark.parametrize(
    'content',
    [
        {'faces': [{'min': 1, 'max': 1}]},
        {'faces': [{'from': 0.5, 'to': 1, 'min': 1}]},
        {'faces_per_second': [{'min': 10, 'max': 10}]},
        {'tracks': [{'max': 1}]},
        {'labels': [{'attribute': 'gender', 'label': 'woman'}]},
        {'labels': [{'attribute': 'emotion', 'label': ['sad', 'happy'], 'track': 1}]},
        {'labels': [{'attribute': 'emotion', 'label': 'happy', 'box': [90, 40, 70, 90]}]},
        {'boxes': [{'at': 1.02, 'box': [100, 50, 60, 80], 'iou': 1}]},
        {'latency': {'p95': 0.1}},
    ],
)
def test_what_came_as_expected_is_no_difference(content: object) -> None:
    """Of each kind one that is met."""
    assert differences(content, TWO_SECONDS) == []


def test_a_wrong_number_of_faces_tells_how_many_came_and_when() -> None:
    """The share says how many pictures may differ."""
    pictures = [*TWO_SECONDS[:18], picture(18), picture(19, face('1'), face('2', FAR_BOX))]
    assert differences({'faces': [{'min': 1, 'max': 1}]}, pictures) == [
        'faces[0]: expected 1 faces per picture all the time\n'
        '    came: 2 of 20 pictures differ: 0 in 1 (at 1.80 s), 2 in 1 (at 1.90 s)'
    ]
    assert differences({'faces': [{'min': 1, 'max': 1, 'share': 0.9}]}, pictures) == []
    assert differences({'faces': [{'min': 1, 'max': 1, 'share': 0.91}]}, pictures) != []


def test_faces_are_counted_in_each_whole_second() -> None:
    """The second with too few is named."""
    pictures = [*TWO_SECONDS[:15], *(picture(number) for number in range(15, 20))]
    assert differences({'faces_per_second': [{'min': 8}]}, pictures) == [
        'faces_per_second[0]: expected 8 or more faces in every second all the time\n'
        '    came: 1 of 2 seconds differ: 5 from 1 s on'
    ]


def test_too_many_tracks_tell_when_each_began() -> None:
    """Somebody whose id changed shows as one track too many."""
    pictures = [*TWO_SECONDS[:12], *(picture(number, face('2')) for number in range(12, 20))]
    assert differences({'tracks': [{'max': 1}]}, pictures) == [
        'tracks[0]: expected 0 to 1 tracks all the time\n'
        '    came: 2: 1 from 0.00 s on, 2 from 1.20 s on'
    ]
    assert differences({'tracks': [{'to': 1.2, 'max': 1}]}, pictures) == []


def test_a_wrong_label_tells_what_came_instead() -> None:
    """Also where there is no such face, of which nothing can be told."""
    pictures = [picture(0), *(picture(number, face('1', emotion='sad')) for number in (1, 2, 3))]
    expected = {'attribute': 'emotion', 'label': ['happy', 'neutral'], 'from': 0, 'to': 1}
    assert differences({'labels': [expected]}, pictures) == [
        'labels[0]: expected emotion happy or neutral of the largest face from 0 to 1 s\n'
        '    came: 4 of 4 pictures differ: sad in 3 (from 0.10 to 0.30 s), '
        'no such face in 1 (at 0.00 s)'
    ]


def test_a_label_is_of_the_face_that_is_named() -> None:
    """By its box, by its track, or else the largest."""
    pictures = [picture(0, face('1', gender='man'), face('2', FAR_BOX))]
    entry = {'attribute': 'gender', 'label': 'woman'}
    assert differences({'labels': [{**entry, 'box': [400, 50, 60, 80]}]}, pictures) == []
    assert differences({'labels': [{**entry, 'track': '2'}]}, pictures) == []
    (largest,) = differences({'labels': [entry]}, pictures)
    assert 'of the largest face' in largest and 'man in 1' in largest
    (other,) = differences({'labels': [{**entry, 'box': [200, 300, 60, 80]}]}, pictures)
    assert 'no such face in 1' in other


def test_an_attribute_that_is_switched_off_is_no_label() -> None:
    """A model that was left out must not pass for one that knows."""
    faces = FaceResult('1', BOX, 0.9, (), None, None, None)
    (text,) = differences(
        {'labels': [{'attribute': 'gender', 'label': 'man'}]}, [picture(0, faces)]
    )
    assert 'switched off in 1' in text


def test_a_box_that_is_elsewhere_is_told_with_its_overlap() -> None:
    """And a time at which there was no picture is not passed over."""
    entry = {'at': 1, 'box': [130, 50, 60, 80]}
    assert differences({'boxes': [entry]}, TWO_SECONDS) == [
        'boxes[0]: expected a face at [130, 50, 60, 80] at 1 s (IoU 0.5 at least)\n'
        '    came: the next is at [100, 50, 60, 80] at 1.00 s (IoU 0.33)'
    ]
    assert differences({'boxes': [{**entry, 'iou': 0.3}]}, TWO_SECONDS) == []
    (late,) = differences({'boxes': [{**entry, 'at': 5}]}, TWO_SECONDS)
    assert 'no picture at that time, they end at 1.90 s' in late


def test_latency_is_compared_by_percentile() -> None:
    """Without a node none is measured, and none can be too high."""
    pictures = [picture(number, latency=0.01 * number) for number in range(1, 101)]
    assert differences({'latency': {'p50': 0.6, 'p95': 0.9, 'max': 1.0}}, pictures) == [
        'latency.p95: expected at most 900.0 ms\n    came: 950.5 ms'
    ]
    assert differences({'latency': {'p95': 0.001}}, TWO_SECONDS) == []


def test_a_span_without_pictures_meets_nothing() -> None:
    """A recording that ends too early must not pass."""
    for content in (
        {'faces': [{'from': 5, 'to': 6, 'max': 1}]},
        {'faces_per_second': [{'from': 5, 'to': 6, 'max': 1}]},
        {'labels': [{'from': 5, 'to': 6, 'attribute': 'gender', 'label': 'man'}]},
        {'boxes': [{'at': 5, 'box': [1, 1, 1, 1]}]},
    ):
        assert len(differences(content, TWO_SECONDS)) == 1
        assert len(differences(content, [])) == 1


@pytest.mark.parametrize(
    'content, mistake',
    [
        (None, 'None is no mapping of names and values'),
        ({}, 'nothing is expected, give some of faces, faces_per_second, tracks, labels, boxes'),
        ({'face': []}, 'face: is unknown, known are faces, faces_per_second, tracks, labels'),
        ({'faces': 3}, 'faces: 3 is no list'),
        ({'faces': [3]}, 'faces[0]: 3 is no mapping'),
        ({'faces': [{}]}, 'faces[0]: give min, max or both'),
        ({'faces': [{'min': 2, 'max': 1}]}, 'faces[0].max: 1 is less than min, 2'),
        ({'faces': [{'min': 1, 'share': 1.5}]}, 'faces[0].share: 1.5 is not between 0 and 1'),
        ({'faces': [{'min': '1'}]}, "faces[0].min: '1' is no number"),
        ({'faces': [{'min': float('nan')}]}, 'faces[0].min: nan is no number'),
        ({'faces': [{'min': 1, 'from': 3, 'to': 2}]}, 'faces[0].to: 2 is not later than from, 3'),
        ({'labels': [{'attribute': 'age', 'label': 'x'}]}, "labels[0].attribute: 'age' is none"),
        ({'labels': [{'attribute': 'gender'}]}, 'labels[0].label: [None] is no label'),
        (
            {'labels': [{'attribute': 'gender', 'label': 'man', 'track': 1, 'box': [1, 1, 1, 1]}]},
            'labels[0]: give box or track, not both',
        ),
        ({'boxes': [{'at': 1, 'box': [1, 2, 0, 4]}]}, 'boxes[0].box: [1, 2, 0, 4] is not [x, y'),
        ({'boxes': [{'box': [1, 2, 3, 4]}]}, 'boxes[0].at: is missing'),
        ({'boxes': [{'at': 1}]}, 'boxes[0].box: is missing'),
        ({'latency': {}}, 'latency: give some of p50, p95, max'),
        ({'latency': {'p95': -1}}, 'latency.p95: -1 is not 0 or more'),
    ],
)
def test_a_mistake_is_told_in_one_line(content: object, mistake: str) -> None:
    """Where it is and what would do."""
    with pytest.raises(ExpectationError) as told_error:
        parse_expectation(content)
    (line,) = str(told_error.value).splitlines()
    assert line.startswith(mistake)


def test_all_mistakes_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    """Each with the file, as compilers do it."""
    path = tmp_path / 'expect.yaml'
    path.write_text('faces: [{min: x}]\nlatency: {p99: 1}\n')
    with pytest.raises(ExpectationError) as told_error:
        read_expectation(path)
    lines = str(told_error.value).splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f'{path}: ') for line in lines)


def test_what_is_no_yaml_is_told_in_one_line(tmp_path: Path) -> None:
    """With the place in the file."""
    path = tmp_path / 'expect.yaml'
    path.write_text('faces: [')
    with pytest.raises(ExpectationError, match=r'is no YAML: .*line 1') as told_error:
        read_expectation(path)
    assert '\n' not in str(told_error.value)


def test_what_is_proposed_is_met_and_tells_when_it_no_longer_is() -> None:
    """It can be written, read again, and notices that people left."""
    pictures = [*TWO_SECONDS, *(picture(number) for number in range(20, 30))]
    content = yaml.safe_load(yaml.safe_dump(propose_expectation(pictures)))
    assert content['faces'] == [
        {'from': 0, 'to': 2, 'min': 1, 'max': 1},
        {'from': 2, 'to': 3, 'min': 0, 'max': 0},
    ]
    assert differences(content, pictures) == []
    assert differences(content, [picture(number) for number in range(30)]) != []


def test_a_record_has_all_that_was_told() -> None:
    """In the form of the other JSON files of the package."""
    assert record_of(picture(3, face('1'), latency=0.0123456)) == {
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
