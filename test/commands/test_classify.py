"""`face_classification classify`, as a user runs it."""

import json
import os
from pathlib import Path

from command_process import ASTRONAUT, run, write_frames, write_video
import cv2
import numpy as np
import pytest
from video_files import write_timed_video

from face_classification_ros.commands.main import main


@pytest.fixture
def astronaut(tmp_path: Path) -> Path:
    """Return a copy of an image with one face, in a folder of its own."""
    path = tmp_path / 'in' / 'astronaut.png'
    path.parent.mkdir()
    path.write_bytes(ASTRONAUT.read_bytes())
    return path


def test_the_faces_of_an_image_are_written_as_json(astronaut: Path, tmp_path: Path) -> None:
    """The record has the file, its size, the box and the distributions."""
    assert main(['classify', str(astronaut), '--json', str(tmp_path / 'a.json')]) == 0
    (record,) = json.loads((tmp_path / 'a.json').read_text())
    expected = {'file': str(astronaut), 'frame': 0, 'width': 512, 'height': 512}
    assert expected.items() <= record.items()
    (face,) = record['faces']
    x, y, width, height = face['box']
    assert x < 224 < x + width and y < 120 < y + height
    estimates = face['attributes']
    assert set(estimates['gender']['probabilities']) == {'woman', 'man'}
    assert sum(estimates['emotion']['probabilities'].values()) == pytest.approx(1, abs=1e-3)


def test_the_default_model_classifies_a_smiling_woman(
    astronaut: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Labels are in the right order."""
    assert main(['classify', str(astronaut), '--json', str(tmp_path / 'a.jsonl')]) == 0
    (face,) = json.loads((tmp_path / 'a.jsonl').read_text())['faces']
    labels = {name: each['label'] for name, each in face['attributes'].items()}
    assert list(labels) == ['gender', 'emotion', 'age']
    assert (labels['gender'], labels['emotion']) == ('woman', 'happy')
    (line,) = capsys.readouterr().out.splitlines()
    file, _, estimates = line.partition(': ')
    names_and_labels = [each.split()[:2] for each in estimates.split(', ')]
    assert (file, names_and_labels) == (
        str(astronaut),
        [[name, label] for name, label in labels.items()],
    )


@pytest.mark.parametrize(
    ('options', 'labels'),
    [
        (['--models', ''], {}),
        (['--attributes', 'emotion'], {'emotion': 'happy'}),
        (['--models', 'gender_mini_xception'], {'gender': 'woman'}),
        (
            ['--unknown-threshold', 'emotion=1', '--attributes', 'emotion'],
            {'emotion': 'unknown'},
        ),
    ],
)
def test_settings_decide_what_is_estimated(
    tmp_path: Path, options: list[str], labels: dict[str, str]
) -> None:
    """Models, attributes and thresholds are those of the node."""
    path = tmp_path / 'a.json'
    assert main(['classify', str(ASTRONAUT), '--json', str(path), *options]) == 0
    ((face,),) = (each['faces'] for each in json.loads(path.read_text()))
    assert {name: each['label'] for name, each in face['attributes'].items()} == labels


def test_an_annotated_copy_is_written(astronaut: Path, tmp_path: Path) -> None:
    """It has the size of the original and a box on it."""
    assert main(['classify', str(astronaut), '--output', str(tmp_path / 'out')]) == 0
    copy = cv2.imread(str(tmp_path / 'out' / 'astronaut.png'))
    assert copy.shape == (512, 512, 3)
    assert not np.array_equal(copy, cv2.imread(str(astronaut)))


def test_nothing_is_written_without_an_option(
    astronaut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No cache, no identifier, no log: ONNX Runtime would keep one in the home folder."""
    home = tmp_path / 'home'
    home.mkdir()
    monkeypatch.setenv('HOME', str(home))
    monkeypatch.chdir(home)
    assert run('classify', astronaut).returncode == 0
    assert list(home.rglob('*')) == []


def test_an_unreadable_file_is_reported_and_the_others_are_classified(
    astronaut: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder with a broken image gives all other results and exit code 2."""
    broken = astronaut.parent / 'broken.jpg'
    broken.write_bytes(b'no image')
    assert main(['classify', str(astronaut.parent), '--json', str(tmp_path / 'a.json')]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'face_classification: {broken} ')
    assert len(json.loads((tmp_path / 'a.json').read_text())) == 1


def test_every_frame_of_a_video_is_classified(tmp_path: Path) -> None:
    """Frames are numbered and stamped from 0, and the face keeps its track."""
    write_video(tmp_path / 'walk.mp4', 8)
    files = ['--json', str(tmp_path / 'a.json'), '--output', str(tmp_path / 'o')]
    assert main(['classify', str(tmp_path / 'walk.mp4'), *files]) == 0
    records = json.loads((tmp_path / 'a.json').read_text())
    assert [record['frame'] for record in records] == list(range(8))
    assert [record['stamp'] for record in records] == [number / 10 for number in range(8)]
    assert {face['track_id'] for record in records for face in record['faces']} == {'1'}
    assert all(len(record['faces']) == 1 for record in records)
    copy = cv2.VideoCapture(str(tmp_path / 'o' / 'walk.mp4'))
    assert int(copy.get(cv2.CAP_PROP_FRAME_COUNT)) == 8


def test_a_gap_in_a_video_is_as_long_for_tracks_as_it_was(tmp_path: Path) -> None:
    """Records have the times of the container, and a track ends during a gap of 3 s."""
    image = cv2.imread(str(ASTRONAUT))[:300, 60:420]
    stamps = [0.0, 0.1, 0.2, 3.2, 3.3]
    write_timed_video(tmp_path / 'a.mp4', [image] * len(stamps), stamps)
    path = tmp_path / 'a.json'
    assert main(['classify', str(tmp_path / 'a.mp4'), '--json', str(path)]) == 0
    records = json.loads(path.read_text())
    assert [record['stamp'] for record in records] == pytest.approx(stamps)
    tracks = [face['track_id'] for record in records for face in record['faces']]
    assert tracks == ['1', '1', '1', '2', '2']


def test_a_truncated_video_is_named_after_its_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 2, and the records of its first frames are written."""
    path = tmp_path / 'a.mp4'
    image = cv2.imread(str(ASTRONAUT))[:300, 60:420]
    write_timed_video(path, [image] * 10, [number / 10 for number in range(10)])
    path.write_bytes(path.read_bytes()[:-100])
    assert main(['classify', str(path), '--json', str(tmp_path / 'a.json')]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(path) in line
    assert len(json.loads((tmp_path / 'a.json').read_text())) == 9


def test_a_file_does_not_depend_on_the_files_before(tmp_path: Path) -> None:
    """Two copies of a video have the same results, apart from their names."""
    write_video(tmp_path / 'a.mp4', 5)
    (tmp_path / 'b.mp4').write_bytes((tmp_path / 'a.mp4').read_bytes())
    path = tmp_path / 'both.json'
    paths = [str(tmp_path / name) for name in ('a.mp4', 'b.mp4')]
    assert main(['classify', *paths, '--json', str(path)]) == 0
    records = json.loads(path.read_text())
    first, second = records[:5], records[5:]
    assert [{**each, 'file': ''} for each in first] == [{**each, 'file': ''} for each in second]


def test_a_broken_video_is_reported(tmp_path: Path) -> None:
    """A file that has only the name of a video."""
    (tmp_path / 'broken.mp4').write_bytes(os.urandom(1000))
    assert main(['classify', str(tmp_path / 'broken.mp4')]) == 2


def test_a_rotated_image_has_boxes_in_its_own_pixels(tmp_path: Path) -> None:
    """The face of an image on its side is found with `--rotation`."""
    image = cv2.rotate(cv2.imread(str(ASTRONAUT)), cv2.ROTATE_90_COUNTERCLOCKWISE)
    cv2.imwrite(str(tmp_path / 'side.png'), image)
    path = tmp_path / 'a.json'
    options = ['--rotation', '90', '--json', str(path)]
    assert main(['classify', str(tmp_path / 'side.png'), *options]) == 0
    ((face,),) = (each['faces'] for each in json.loads(path.read_text()))
    x, y, width, height = face['box']
    assert x < 120 < x + width and y < 511 - 224 < y + height


def test_an_original_is_never_overwritten(astronaut: Path) -> None:
    """An output folder that is the input folder is rejected."""
    before = astronaut.read_bytes()
    assert main(['classify', str(astronaut), '--output', str(astronaut.parent)]) == 2
    assert astronaut.read_bytes() == before


def test_copies_of_the_same_name_are_rejected(astronaut: Path, tmp_path: Path) -> None:
    """Two images of the same name in two folders would become one file."""
    other = tmp_path / 'other' / 'astronaut.png'
    other.parent.mkdir()
    other.write_bytes(astronaut.read_bytes())
    paths = [str(astronaut), str(other)]
    assert main(['classify', *paths, '--output', str(tmp_path / 'out')]) == 2
    assert not (tmp_path / 'out').exists()


def test_the_messages_of_files() -> None:
    """The text of each message, which all other tests leave alone."""
    done = run('classify', 'nowhere.png')
    assert done.stderr == 'face_classification: nowhere.png does not exist\n'


def test_a_video_without_faces_is_classified(tmp_path: Path) -> None:
    """Its lines say that there is no face."""
    write_frames(tmp_path / 'gray.mp4', [np.full((240, 320, 3), 128, np.uint8)] * 2)
    done = run('classify', tmp_path / 'gray.mp4')
    assert done.stdout.splitlines() == [
        f'{tmp_path}/gray.mp4 frame {n}: no face' for n in range(2)
    ]


def test_the_output_may_be_below_the_input(astronaut: Path, tmp_path: Path) -> None:
    """A second run does not take the copies of the first one as images."""
    paths = [str(astronaut.parent), '--output', str(astronaut.parent / 'out')]
    for number in range(2):
        path = tmp_path / f'{number}.json'
        assert main(['classify', *paths, '--json', str(path)]) == 0
        assert len(json.loads(path.read_text())) == 1
    assert [each.name for each in (astronaut.parent / 'out').iterdir()] == ['astronaut.png']


@pytest.mark.parametrize('name', ['photo', 'photo.gif', 'photo.jfif', 'photo.xyz'])
def test_an_image_in_a_format_that_is_not_written_has_a_png_copy(
    tmp_path: Path, name: str
) -> None:
    """The content decides what an image is."""
    (tmp_path / name).write_bytes(ASTRONAUT.read_bytes())
    assert main(['classify', str(tmp_path / name), '--output', str(tmp_path / 'out')]) == 0
    copy = cv2.imread(str(tmp_path / 'out' / f'{name}.png'))
    assert copy.shape == (512, 512, 3)


@pytest.mark.parametrize('options', [[], ['--workers', '1']])
def test_a_copy_that_cannot_be_written_does_not_end_the_run(
    astronaut: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    """Folders are where copies of an image and a video should be; all faces are reported."""
    if options:
        pytest.importorskip('distributed', reason='needs the extra [archive]')
    write_video(astronaut.parent / 'a.mp4', 1)
    (astronaut.parent / 'b.png').write_bytes(ASTRONAUT.read_bytes())
    output = tmp_path / 'out'
    for name in ('a.mp4', 'astronaut.png'):
        (output / name).mkdir(parents=True)
    files = ['--output', str(output), '--json', str(tmp_path / 'a.json')]
    assert main(['classify', str(astronaut.parent), *files, *options]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert str(astronaut.parent / 'a.mp4') in first
    assert str(astronaut) in second
    files = [Path(each['file']).name for each in json.loads((tmp_path / 'a.json').read_text())]
    assert files == ['astronaut.png', 'b.png']
    assert (output / 'b.png').is_file()


def test_a_video_without_permission_does_not_end_the_run(
    astronaut: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named."""
    video = astronaut.parent / 'a.mp4'
    write_video(video, 1)

    def refuse(_: object) -> None:
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr('face_classification_ros.io.video_decoder.VideoDecoder', refuse)
    assert main(['classify', str(astronaut.parent)]) == 2
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 1
    (line,) = printed.err.splitlines()
    assert str(video) in line


def test_files_of_other_kinds_are_counted_and_named(
    astronaut: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are no error."""
    (astronaut.parent / 'notes.txt').touch()
    assert main(['classify', str(astronaut.parent)]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert ' 1 ' in line and str(astronaut.parent / 'notes.txt') in line


@pytest.mark.parametrize('name', ['a.heic', 'a.txt', 'a.3gp', 'a.gif'])
def test_a_folder_without_a_readable_file_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Silence would look like a folder without faces."""
    (tmp_path / name).write_bytes(b'no image')
    assert main(['classify', str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
