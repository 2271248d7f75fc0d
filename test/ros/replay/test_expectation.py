"""An expectation is read strictly, compared with results, and proposed from them."""

from pathlib import Path
import re

import numpy as np
import pytest
import yaml

pytest.importorskip('pydantic', reason='needs the extra [replay]')

from face_classification_ros.ros.replay.expectation import (
    Difference,
    ExpectationError,
    parse_expectation,
    propose_expectation,
    read_expectation,
)
from face_classification_ros.types import (
    AttributeEstimate,
    BoundingBox,
    Detection,
    Face,
    FrameFaces,
)

BOX = BoundingBox(100, 50, 60, 80)
FAR_BOX = BoundingBox(400, 50, 60, 80)


def estimate(label: str) -> AttributeEstimate:
    """Return an estimate of an attribute."""
    probabilities = np.array([0.75, 0.25], np.float32)
    return AttributeEstimate((label, 'other'), probabilities, probabilities, 3, 0.0)


def face(
    track: str, box: BoundingBox = BOX, gender: str = 'woman', emotion: str = 'happy'
) -> Face:
    """Return a face of a frame."""
    attributes = {'gender': estimate(gender), 'emotion': estimate(emotion)}
    return Face(Detection(box, 0.9), attributes, track)


def frame(number: int, *faces: Face, latency: float | None = None) -> FrameFaces:
    """Return one of ten frames per second."""
    stamp = 1_700_000_000 + number / 10
    return FrameFaces(640, 480, faces, stamp, number, latency=latency)


def differences(content: object, frames: list[FrameFaces]) -> list[Difference]:
    """Compare frames with an expectation."""
    return parse_expectation(content).differences(frames)


TWO_SECONDS = [frame(number, face('1')) for number in range(20)]
"""One woman who smiles."""


# Comparison


@pytest.mark.parametrize(
    'content',
    [
        {'faces': [{'min': 1, 'max': 1}]},
        {'faces': [{'from': 0.5, 'to': 1, 'min': 1}]},
        {'faces_per_second': [{'min': 10, 'max': 10}]},
        {'tracks': [{'max': 1}]},
        {'labels': [{'attributes': {'gender': 'woman'}}]},
        {'labels': [{'attributes': {'emotion': ['sad', 'happy'], 'gender': 'woman'}}]},
        {'labels': [{'attributes': {'emotion': 'happy'}, 'track': 1}]},
        {'labels': [{'attributes': {'emotion': 'happy'}, 'box': [90, 40, 70, 90]}]},
        {'boxes': [{'at': 1.02, 'box': [100, 50, 60, 80], 'min_iou': 1}]},
        {'latency': {'p95': 0.1}},
    ],
)
def test_met_expectation_has_no_differences(content: object) -> None:
    """One of each kind."""
    assert differences(content, TWO_SECONDS) == []


def test_wrong_number_of_faces_is_reported_with_times() -> None:
    """Each wrong number, how often it came, and when."""
    frames = [*TWO_SECONDS[:18], frame(18), frame(19, face('1'), face('2', FAR_BOX))]
    (difference,) = differences({'faces': [{'min': 1, 'max': 1}]}, frames)
    assert difference == (
        'faces[0]',
        '1 face per frame at all times',
        '2 of 20 frames differ: 0 faces in 1 frame (at 1.80 s), 2 faces in 1 frame (at 1.90 s)',
    )
    assert str(difference) == (
        f'faces[0]: expected {difference.expected}\n    actual: {difference.actual}'
    )


def test_min_fraction_allows_some_frames_to_differ() -> None:
    """Two of twenty frames differ."""
    frames = [*TWO_SECONDS[:18], frame(18), frame(19)]
    assert differences({'faces': [{'min': 1, 'min_fraction': 0.9}]}, frames) == []
    (difference,) = differences({'faces': [{'min': 1, 'min_fraction': 0.91}]}, frames)
    assert difference.expected.endswith('in at least 91% of the frames')


def test_faces_are_counted_per_whole_second() -> None:
    """The second with too few faces is reported."""
    frames = [*TWO_SECONDS[:15], *(frame(number) for number in range(15, 20))]
    assert differences({'faces_per_second': [{'min': 8}]}, frames) == [
        (
            'faces_per_second[0]',
            'at least 8 faces in every second at all times',
            '1 of 2 seconds differ: 5 from 1 to 2 s',
        )
    ]


def test_too_many_tracks_are_reported_with_their_start() -> None:
    """A person whose track id changes counts twice."""
    frames = [*TWO_SECONDS[:12], *(frame(number, face('2')) for number in range(12, 20))]
    assert differences({'tracks': [{'max': 1}]}, frames) == [
        ('tracks[0]', 'at most 1 track at all times', '2: 1 from 0.00 s on, 2 from 1.20 s on')
    ]
    assert differences({'tracks': [{'to': 1.2, 'max': 1}]}, frames) == []


def test_wrong_label_is_reported_with_the_actual_one() -> None:
    """Also a frame without the face."""
    frames = [frame(0), *(frame(number, face('1', emotion='sad')) for number in (1, 2, 3))]
    entry = {'attributes': {'emotion': ['happy', 'neutral']}, 'from': 0, 'to': 1}
    assert differences({'labels': [entry]}, frames) == [
        (
            'labels[0]',
            'emotion happy or neutral of the largest face from 0 to 1 s',
            '4 of 4 frames differ: sad in 3 frames (from 0.10 to 0.30 s), '
            'no such face in 1 frame (at 0.00 s)',
        )
    ]


def test_each_attribute_of_an_entry_is_compared() -> None:
    """One entry may expect several attributes; both wrong ones are reported."""
    entry = {'attributes': {'emotion': 'sad', 'gender': 'man'}}
    emotion, gender = differences({'labels': [entry]}, TWO_SECONDS)
    assert emotion.place == gender.place == 'labels[0]'
    assert emotion.expected.startswith('emotion sad')
    assert gender.expected.startswith('gender man')


@pytest.mark.parametrize(
    ('choice', 'is_met'),
    [
        ({'box': [400, 50, 60, 80]}, True),
        ({'track': '2'}, True),
        ({}, False),
        ({'box': [200, 300, 60, 80]}, False),
        ({'track': 3}, False),
    ],
)
def test_labels_are_those_of_the_chosen_face(choice: dict[str, object], is_met: bool) -> None:
    """By box, by track, or else the largest: the woman is the smaller one."""
    frames = [frame(0, face('1', gender='man'), face('2', FAR_BOX))]
    entry = {'attributes': {'gender': 'woman'}, **choice}
    assert (differences({'labels': [entry]}, frames) == []) == is_met


@pytest.mark.parametrize('attribute', ['gender', 'age'])
def test_attribute_without_estimate_does_not_meet_a_label(attribute: str) -> None:
    """An attribute that the node does not estimate, whichever it is."""
    face_without_attributes = Face(Detection(BOX, 0.9), track_id='1')
    (difference,) = differences(
        {'labels': [{'attributes': {attribute: 'man'}}]}, [frame(0, face_without_attributes)]
    )
    assert f'no {attribute} in 1' in difference.actual


def test_box_elsewhere_is_reported_with_its_overlap() -> None:
    """With the box that matches best."""
    entry = {'at': 1, 'box': [130, 50, 60, 80]}
    assert differences({'boxes': [entry]}, TWO_SECONDS) == [
        (
            'boxes[0]',
            'a face at [130, 50, 60, 80] at 1 s with an IoU of at least 0.5',
            'the best match is at [100, 50, 60, 80] at 1.00 s with an IoU of 0.33',
        )
    ]
    assert differences({'boxes': [{**entry, 'min_iou': 0.3}]}, TWO_SECONDS) == []


def test_box_at_a_time_without_frames_is_reported() -> None:
    """With the time of the nearest frame."""
    (difference,) = differences({'boxes': [{'at': 5, 'box': [1, 1, 9, 9]}]}, TWO_SECONDS)
    assert difference.actual == 'no frame at that time, the nearest is at 1.90 s'


def test_latency_is_compared_by_percentile() -> None:
    """Without a node none is measured, and nothing differs."""
    frames = [frame(number, latency=0.01 * number) for number in range(1, 101)]
    assert differences({'latency': {'p50': 0.6, 'p95': 0.9, 'max': 1.0}}, frames) == [
        ('latency', 'p95 at most 900.0 ms', '950.5 ms')
    ]
    assert differences({'latency': {'p95': 0.001}}, TWO_SECONDS) == []


@pytest.mark.parametrize(
    'content',
    [
        {'faces': [{'from': 5, 'to': 6, 'max': 1}]},
        {'faces_per_second': [{'from': 5, 'to': 6, 'max': 1}]},
        {'labels': [{'from': 5, 'to': 6, 'attributes': {'gender': 'man'}}]},
        {'boxes': [{'at': 5, 'box': [1, 1, 1, 1]}]},
    ],
)
def test_time_without_frames_does_not_meet_an_expectation(content: object) -> None:
    """A recording that ends too early fails."""
    assert len(differences(content, TWO_SECONDS)) == 1
    assert len(differences(content, [])) == 1


# Reading


@pytest.mark.parametrize(
    ('content', 'place', 'code'),
    [
        (None, '', 'model_type'),
        ({}, '', 'no_entries'),
        ({'face': []}, '', 'unknown_name'),
        ({'faces': 3}, 'faces', 'list_type'),
        ({'faces': [3]}, 'faces[0]', 'model_type'),
        ({'faces': [{}]}, 'faces[0]', 'no_limits'),
        ({'faces': [{'min': 2, 'max': 1}]}, 'faces[0]', 'contradictory_limits'),
        ({'faces': [{'min': 1, 'most': 1}]}, 'faces[0]', 'unknown_name'),
        (
            {'faces': [{'min': 1}, {'min': 1, 'min_fraction': 1.5}]},
            'faces[1].min_fraction',
            'less_than_equal',
        ),
        ({'faces': [{'min': '1'}]}, 'faces[0].min', 'float_type'),
        ({'faces': [{'min': True}]}, 'faces[0].min', 'float_type'),
        ({'faces': [{'min': float('nan')}]}, 'faces[0].min', 'finite_number'),
        ({'faces': [{'min': 1, 'from': 3, 'to': 2}]}, 'faces[0]', 'empty_time_span'),
        ({'labels': [{}]}, 'labels[0].attributes', 'missing'),
        ({'labels': [{'attributes': 'happy'}]}, 'labels[0].attributes', 'dict_type'),
        ({'labels': [{'attributes': {}}]}, 'labels[0].attributes', 'too_short'),
        ({'labels': [{'attributes': {1: 'x'}}]}, 'labels[0].attributes[1]', 'string_type'),
        (
            {'labels': [{'attributes': {'gender': 1}}]},
            'labels[0].attributes.gender',
            'invalid_labels',
        ),
        (
            {'labels': [{'attributes': {'gender': ['man', 1]}}]},
            'labels[0].attributes.gender[1]',
            'string_type',
        ),
        (
            {'labels': [{'attributes': {'gender': 'man'}, 'track': 1, 'box': [1, 1, 1, 1]}]},
            'labels[0]',
            'ambiguous_face',
        ),
        ({'boxes': [{'at': 1, 'box': [1, 2, 0, 4]}]}, 'boxes[0].box', 'invalid_box'),
        ({'boxes': [{'at': 1, 'box': [1, 2, 3]}]}, 'boxes[0].box', 'invalid_box'),
        ({'boxes': [{'box': [1, 2, 3, 4]}]}, 'boxes[0].at', 'missing'),
        ({'latency': {}}, 'latency', 'no_limits'),
        ({'latency': {'p95': -1}}, 'latency.p95', 'greater_than_equal'),
    ],
)
def test_problem_is_reported_with_place_and_code(content: object, place: str, code: str) -> None:
    """In one line."""
    with pytest.raises(ExpectationError) as caught:
        parse_expectation(content)
    (problem,) = caught.value.problems
    assert (problem.place, problem.code) == (place, code)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ('text', 'problems'),
    [
        (
            'faces: [{min: x, min_fraction: 2}]\nlatency: {p99: 1}',
            [
                "faces[0].min: should be a valid number, not 'x'",
                'faces[0].min_fraction: should be less than or equal to 1, not 2',
                "latency: has the unknown name 'p99', expected some of p50, p95, max",
            ],
        ),
        (
            'boxes: [{box: [1, 2]}]\nlabels: [{attributes: {}}, {attributes: {age: 7}}]',
            [
                'labels[0].attributes: is empty, expected at least one',
                'labels[1].attributes.age: should be a label or a list of labels, not 7',
                'boxes[0].at: is missing',
                'boxes[0].box: should be [x, y, width, height] in pixels, with a size above 0, '
                'not [1, 2]',
            ],
        ),
        (
            'tracks: [{}, {min: 2, max: 1}, {min: 1, from: 4, to: 2}]\nfaces: [3]\nlatency: {}',
            [
                'faces[0]: should be a mapping of names to values, not 3',
                'tracks[0]: needs min, max or both',
                'tracks[1]: has a max of 1, expected at least its min of 2',
                'tracks[2]: ends at 2 s, expected later than its start at 4 s',
                'latency: needs some of p50, p95, max, in seconds',
            ],
        ),
        (
            '{}',
            ['needs some of faces, faces_per_second, tracks, labels, boxes, latency'],
        ),
    ],
)
def test_all_problems_of_a_file_are_reported(
    text: str, problems: list[str], tmp_path: Path
) -> None:
    """One line per problem, with file, place, value and what is expected."""
    path = tmp_path / 'expect.yaml'
    path.write_text(text)
    with pytest.raises(ExpectationError) as caught:
        read_expectation(path)
    assert str(caught.value).splitlines() == [f'{path}: {problem}' for problem in problems]


def test_an_unknown_section_hides_no_other_mistake() -> None:
    """Two unknown sections and a value that is out of range are three problems."""
    with pytest.raises(ExpectationError) as caught:
        parse_expectation({'foo': [], 'faces': [{'min': 1, 'min_fraction': 1.5}], 'bar': 1})
    assert [(each.place, each.code) for each in caught.value.problems] == [
        ('', 'unknown_name'),
        ('', 'unknown_name'),
        ('faces[0].min_fraction', 'less_than_equal'),
    ]


def test_long_name_with_a_line_break_is_reported_in_one_short_line() -> None:
    """Names come from a file, too."""
    with pytest.raises(ExpectationError) as caught:
        parse_expectation({'labels': [{'attributes': {'age\n' * 1000: 7}}]})
    (line,) = str(caught.value).splitlines()
    assert len(line) < 200


def test_file_that_is_not_yaml_is_reported_in_one_line(tmp_path: Path) -> None:
    """With the place in the file."""
    path = tmp_path / 'expect.yaml'
    path.write_text('faces: [')
    with pytest.raises(ValueError, match=r'is not YAML: .*line 1') as caught:
        read_expectation(path)
    assert len(str(caught.value).splitlines()) == 1


def test_example_of_the_manual_is_valid() -> None:
    """docs/how_to/replay.md has one entry of each kind."""
    manual = (Path(__file__).parents[3] / 'docs' / 'how_to' / 'replay.md').read_text()
    _, example, _ = re.split(r'```yaml\n|```\n', manual[manual.index('```yaml') :], maxsplit=2)
    expectation = parse_expectation(yaml.safe_load(example))
    assert {place.partition('[')[0] for place in expectation.entries} == set(
        type(expectation).model_fields
    )


# Proposal


def test_proposal_is_met_by_its_recording_only() -> None:
    """It survives writing and reading, and differs once a person is missing."""
    frames = [*TWO_SECONDS, *(frame(number) for number in range(20, 30))]
    content = yaml.safe_load(yaml.safe_dump(propose_expectation(frames)))
    assert content['faces'] == [
        {'from': 0, 'to': 2, 'min': 1, 'max': 1},
        {'from': 2, 'to': 3, 'min': 0, 'max': 0},
    ]
    assert content['labels'] == [
        {'from': 0, 'to': 2, 'attributes': {'gender': ['woman'], 'emotion': ['happy']}}
    ]
    assert differences(content, frames) == []
    assert differences(content, [frame(number) for number in range(30)]) != []


def test_proposal_of_nothing_is_empty() -> None:
    """A recording without results has nothing to propose but that nobody is tracked."""
    assert propose_expectation([]) == {'tracks': [{'min': 0, 'max': 0}]}
