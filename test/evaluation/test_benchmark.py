"""What the pipeline costs is measured stage by stage, for faces that are really found."""

from collections.abc import Sequence
from dataclasses import replace
import json
from pathlib import Path
from typing import Any

import cv2
import pytest

from face_classification_ros.commands.main import main
from face_classification_ros.detection import create_detector
from face_classification_ros.evaluation.benchmark import Case, measure_cases, STAGES
from face_classification_ros.inference.model_zoo import model_path
from face_classification_ros.io.sample import crowd
from face_classification_ros.types import Face, Image

CASE = Case(
    faces=5,
    width=640,
    height=480,
    num_threads=1,
    rotation=0,
    detector='libfacedetection',
    detector_model='',
    detection_threshold=0.6,
    detection_size=320,
    detection_interval=1,
    gender_model=model_path('gender_mini_xception'),
    emotion_model=model_path('emotion_mini_xception'),
)
NO_FACE = replace(CASE, faces=0, width=320, height=240, detector='haar', gender_model='')

Given = list[tuple[Sequence[Face], Image]]


def no_messages(faces: Sequence[Face], annotated: Image) -> None:
    """Stand where the command has what needs ROS."""


@pytest.fixture(scope='module')
def given() -> Given:
    """Collect what messages were to be made of."""
    return []


@pytest.fixture(scope='module')
def records(given: Given) -> list[dict[str, Any]]:
    """Measure two cases that differ in everything but the threads."""
    return measure_cases(
        [CASE, NO_FACE],
        lambda faces, annotated: given.append((faces, annotated)),
        rounds=3,
    )


@pytest.mark.parametrize('faces', [0, 1, 5, 10, 20])
@pytest.mark.parametrize('size', [(320, 240), (640, 480), (1280, 720), (480, 640)])
def test_every_face_of_a_crowd_is_found(faces: int, size: tuple[int, int]) -> None:
    """What is measured for twenty faces is measured with twenty faces, at the node's width."""
    image = crowd(faces, *size)
    assert image.shape == (size[1], size[0], 3)
    assert len(create_detector('libfacedetection').detect(image)) == faces


def test_a_record_tells_what_was_measured_and_on_what(records: list[dict[str, Any]]) -> None:
    """Settings, machine and the faces that were found stand beside the times."""
    crowded, empty = records
    expected = {
        'num_threads': 1,
        'width': 640,
        'height': 480,
        'faces': 5,
        'faces_found': 5,
        'detector': 'libfacedetection',
        'detection_size': 320,
        'models': {'gender': 'gender_mini_xception', 'emotion': 'emotion_mini_xception'},
        'rounds': 3,
    }
    assert expected.items() <= crowded.items()
    assert crowded['machine'].endswith('processors')
    assert (empty['faces'], empty['faces_found'], empty['detector']) == (0, 0, 'haar')
    assert empty['models'] == {'emotion': 'emotion_mini_xception'}
    json.dumps(records)


def test_every_stage_and_the_whole_have_times(records: list[dict[str, Any]]) -> None:
    """Half of the calls take no longer than the median, nearly all no longer than p95."""
    for record in records:
        assert list(record['stages']) == [*STAGES, 'total']
        for times in record['stages'].values():
            assert 0 <= times['p50_ms'] <= times['p95_ms']
    stages = records[0]['stages']
    # The whole holds both, and hundreds of times as much as the second.
    assert stages['total']['p50_ms'] > stages['track']['p50_ms']
    assert stages['classify']['p50_ms'] > 0


def test_memory_and_start_are_those_of_a_process_of_its_own(
    records: list[dict[str, Any]],
) -> None:
    """A process that has loaded numpy, OpenCV and ONNX Runtime, and not what tests load."""
    for record in records:
        assert 30 < record['memory_mb'] < 400
        assert record['startup_s'] > 0


def test_messages_are_made_of_the_annotated_picture_and_its_faces(
    records: list[dict[str, Any]], given: Given
) -> None:
    """The stage gets what the node would publish."""
    sizes = {(len(faces), annotated.shape) for faces, annotated in given}
    assert sizes == {(5, (480, 640, 3)), (0, (240, 320, 3))}
    assert len(given) > 2 * len(records)
    assert all(face.track_id and face.emotion for face in given[0][0])


@pytest.mark.parametrize(
    ('case', 'problem'),
    [
        (replace(CASE, faces=-1), 'crowd of -1 faces: expected 0 to 100'),
        (replace(CASE, width=10), 'picture of 10x480: expected sides of 64 to 8192 pixels'),
        (replace(CASE, num_threads=0), 'threads 0: expected 1 or more'),
        (replace(CASE, detection_interval=0), 'interval 0'),
    ],
)
def test_a_case_that_cannot_be_is_refused(case: Case, problem: str) -> None:
    """The error names the value and what was expected, before anything is measured."""
    with pytest.raises(ValueError, match=problem):
        measure_cases([CASE, case], no_messages, rounds=1)


def test_no_round_is_refused() -> None:
    """There is no median of nothing."""
    with pytest.raises(ValueError, match='0 rounds: expected 1 or more'):
        measure_cases([CASE], no_messages, rounds=0)


def test_all_combinations_are_measured_printed_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two numbers of faces with two sizes are four rows, four records and four bars."""
    pytest.importorskip('matplotlib', reason='needs the extra [train]')
    options = ['--faces', '0', '1', '--size', '160x120', '128x96', '--rounds', '1']
    files = ['--json', str(tmp_path / 'b.json'), '--plot', str(tmp_path / 'b.png')]
    assert main(['benchmark', *options, *files]) == 0
    cases = [(0, 160), (1, 160), (0, 128), (1, 128)]
    records = json.loads((tmp_path / 'b.json').read_text())
    assert [(record['faces'], record['width']) for record in records] == cases
    rows = capsys.readouterr().out.splitlines()[-4:]
    assert ['160x120' in row for row in rows] == [True, True, False, False]
    assert cv2.imread(str(tmp_path / 'b.png')) is not None


@pytest.mark.parametrize('size', ['640', '640x', 'x480', '640x-480', '640*480'])
def test_a_size_of_another_form_is_refused(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The error shows the form that is expected."""
    with pytest.raises(SystemExit) as stopped:
        main(['benchmark', '--size', size])
    assert stopped.value.code == 2
    assert 'expected WIDTHxHEIGHT, such as 640x480' in capsys.readouterr().err
