"""The cost of the pipeline is measured stage by stage, for faces that are really found."""

from collections.abc import Sequence
from dataclasses import replace
import json
from pathlib import Path
from typing import Any

import cv2
import pytest

from face_classification_ros.commands.main import main
from face_classification_ros.config import DetectorConfig, PipelineConfig
from face_classification_ros.detection import create_detector
from face_classification_ros.evaluation.benchmark import Case, measure_cases, STAGES
from face_classification_ros.io.sample import crowd
from face_classification_ros.types import Face, Image

CROWD = Case(faces=5, width=640, height=480, config=PipelineConfig(detection_interval=1))
NO_FACE = Case(
    faces=0,
    width=320,
    height=240,
    config=PipelineConfig(detector='haar', models=('emotion_mini_xception',)),
)

Received = list[tuple[Sequence[Face], Image]]


def no_messages(faces: Sequence[Face], annotated: Image) -> None:
    """Take the place of what needs ROS in the command."""


@pytest.fixture(scope='module')
def received() -> Received:
    """Collect what messages are made of."""
    return []


@pytest.fixture(scope='module')
def records(received: Received) -> list[dict[str, Any]]:
    """Measure two cases that differ in everything but the threads."""
    return measure_cases(
        [CROWD, NO_FACE],
        lambda faces, annotated: received.append((faces, annotated)),
        rounds=3,
    )


@pytest.mark.parametrize('faces', [0, 1, 5, 10, 20])
@pytest.mark.parametrize('size', [(320, 240), (640, 480), (1280, 720), (480, 640)])
def test_every_face_of_a_crowd_is_found(faces: int, size: tuple[int, int]) -> None:
    """A case of twenty faces is measured with twenty faces, with the default settings."""
    image = crowd(faces, *size)
    assert image.shape == (size[1], size[0], 3)
    assert len(create_detector(DetectorConfig()).detect(image)) == faces


def test_a_record_has_the_settings_of_its_case(records: list[dict[str, Any]]) -> None:
    """Also the machine, the models and the number of faces found."""
    crowded, empty = records
    expected = {
        'threads': 1,
        'width': 640,
        'height': 480,
        'faces': 5,
        'faces_found': 5,
        'detector': 'auto',
        'detection_size': 320,
        'detection_interval': 1,
        'follow': False,
        'models': dict.fromkeys(('gender', 'emotion', 'age'), 'multitask_mini_xception'),
        'rounds': 3,
    }
    assert expected.items() <= crowded.items()
    assert crowded['machine'].endswith('processors')
    assert (empty['faces'], empty['faces_found'], empty['detector']) == (0, 0, 'haar')
    assert empty['models'] == {'emotion': 'emotion_mini_xception'}
    json.dumps(records)


def test_every_stage_and_the_total_have_times(records: list[dict[str, Any]]) -> None:
    """Half of the calls take no longer than the median, nearly all no longer than p95."""
    for record in records:
        assert list(record['stages']) == [*STAGES, 'total']
        for times in record['stages'].values():
            assert 0 <= times['p50_ms'] <= times['p95_ms']
    stages = records[0]['stages']
    # The total contains tracking, and takes hundreds of times as long.
    assert stages['total']['p50_ms'] > stages['track']['p50_ms']
    assert stages['classify']['p50_ms'] > 0


def test_memory_and_start_up_are_those_of_a_separate_process(
    records: list[dict[str, Any]],
) -> None:
    """It has loaded numpy, OpenCV and ONNX Runtime, but not what tests load."""
    for record in records:
        assert 30 < record['memory_mb'] < 400
        assert record['startup_s'] > 0


def test_messages_are_made_of_the_faces_and_the_annotated_image(
    records: list[dict[str, Any]], received: Received
) -> None:
    """The stage gets what the node would publish."""
    sizes = {(len(faces), annotated.shape) for faces, annotated in received}
    assert sizes == {(5, (480, 640, 3)), (0, (240, 320, 3))}
    assert len(received) > 2 * len(records)
    assert all(face.track_id and face.attributes for face in received[0][0])


@pytest.mark.parametrize(
    ('case', 'problem'),
    [(replace(CROWD, faces=-1), '-1 faces'), (replace(CROWD, width=10), '10 x 480')],
)
def test_an_impossible_case_is_rejected(case: Case, problem: str) -> None:
    """Before anything is measured."""
    with pytest.raises(ValueError, match=problem):
        measure_cases([CROWD, case], no_messages, rounds=1)


def test_no_rounds_are_rejected() -> None:
    """There is no median of nothing."""
    with pytest.raises(ValueError, match='rounds'):
        measure_cases([CROWD], no_messages, rounds=0)


def test_all_combinations_are_measured_printed_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two numbers of faces and two sizes are four rows, four records and four bars."""
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


def test_a_single_case_is_one_object(tmp_path: Path) -> None:
    """With the messages of the node among the stages."""
    path = tmp_path / 'b.json'
    options = ['--detector', 'haar', '--detection-interval', '1', '--rounds', '2']
    assert main(['benchmark', *options, '--json', str(path)]) == 0
    record = json.loads(path.read_text())
    assert (record['detector'], record['detection_interval']) == ('haar', 1)
    assert record['stages']['message']['p50_ms'] > 0


@pytest.mark.parametrize('size', ['640', '640x', 'x480', '640x-480', '640*480'])
def test_a_size_of_another_form_is_rejected(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The error shows the expected form."""
    with pytest.raises(SystemExit) as stopped:
        main(['benchmark', '--size', size])
    assert stopped.value.code == 2
    assert 'WIDTHxHEIGHT' in capsys.readouterr().err
