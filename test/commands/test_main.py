"""The command, as a user runs it."""

import json
import os
from pathlib import Path
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
import skimage

PICTURES = Path(skimage.__file__).parent / 'data'


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `face_classification` in a process of its own."""
    command = [str(Path(sys.executable).with_name('face_classification')), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture
def astronaut(tmp_path: Path) -> Path:
    """Give a copy of scikit-image's astronaut, 512x512, one smiling woman."""
    path = tmp_path / 'in' / 'astronaut.png'
    path.parent.mkdir()
    path.write_bytes((PICTURES / 'astronaut.png').read_bytes())
    return path


def write_video(path: Path, frames: int) -> None:
    """Write a video of the astronaut moving to the right."""
    image = cv2.imread(str(PICTURES / 'astronaut.png'))[:300, 60:420]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10, (360, 300))
    for number in range(frames):
        writer.write(np.roll(image, 2 * number, axis=1))
    writer.release()


def test_a_picture_gives_json_and_an_annotated_copy(astronaut: Path, tmp_path: Path) -> None:
    """Box, distribution of both attributes and sizes are as documented."""
    result = run(
        'classify', astronaut, '--json', tmp_path / 'a.json', '--output', tmp_path / 'out'
    )
    assert result.returncode == 0, result.stderr
    (record,) = json.loads((tmp_path / 'a.json').read_text())
    assert {
        'file': str(astronaut),
        'frame': 0,
        'width': 512,
        'height': 512,
    }.items() <= record.items()
    (face,) = record['faces']
    x, y, width, height = face['box']
    assert x < 224 < x + width and y < 120 < y + height
    assert set(face['gender']['probabilities']) == {'woman', 'man'}
    assert sum(face['emotion']['probabilities'].values()) == pytest.approx(1, abs=1e-3)
    copy = cv2.imread(str(tmp_path / 'out' / 'astronaut.png'))
    assert copy.shape == (512, 512, 3)
    assert not np.array_equal(copy, cv2.imread(str(astronaut)))


def test_the_shipped_models_know_a_smiling_woman(astronaut: Path, tmp_path: Path) -> None:
    """Labels are told in the right order by both shipped models."""
    run('classify', astronaut, '--json', tmp_path / 'a.json')
    ((face,),) = (each['faces'] for each in json.loads((tmp_path / 'a.json').read_text()))
    assert (face['gender']['label'], face['emotion']['label']) == ('woman', 'happy')


def test_a_benchmark_tells_the_time_per_stage(tmp_path: Path) -> None:
    """One case is one JSON object, with messages among the stages, and one row of the table."""
    result = run('benchmark', '--faces', '1', '--rounds', '2', '--json', tmp_path / 'a.json')
    assert result.returncode == 0, result.stderr
    record = json.loads((tmp_path / 'a.json').read_text())
    assert (record['faces'], record['faces_found']) == (1, 1)
    stages = ['detect', 'crop', 'classify', 'track', 'draw', 'message', 'total']
    assert list(record['stages']) == stages
    assert record['stages']['message']['p50_ms'] > 0
    assert record['memory_mb'] > 0 and record['startup_s'] > 0
    assert 'libfacedetection' in result.stdout.splitlines()[-1]


def test_nothing_is_written_that_was_not_asked_for(
    astronaut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No cache, no identifier, no record: ONNX Runtime would keep one in the home folder."""
    home = tmp_path / 'home'
    home.mkdir()
    monkeypatch.setenv('HOME', str(home))
    monkeypatch.chdir(home)
    assert run('classify', astronaut).returncode == 0
    assert list(home.rglob('*')) == []


def test_an_unreadable_file_is_named_and_the_others_are_done(
    astronaut: Path, tmp_path: Path
) -> None:
    """A folder with a broken picture gives all other results and exit code 2."""
    (astronaut.parent / 'broken.jpg').write_bytes(b'no picture')
    result = run('classify', astronaut.parent, '--json', tmp_path / 'a.json')
    assert result.returncode == 2
    assert 'broken.jpg is not a readable picture' in result.stderr
    assert 'Traceback' not in result.stderr
    assert len(json.loads((tmp_path / 'a.json').read_text())) == 1


def test_every_frame_of_a_video_is_classified(tmp_path: Path) -> None:
    """Frames are numbered from 0, and the copy is a video of the same length."""
    write_video(tmp_path / 'walk.mp4', 8)
    result = run(
        'classify',
        tmp_path / 'walk.mp4',
        '--json',
        tmp_path / 'a.json',
        '--output',
        tmp_path / 'o',
    )
    assert result.returncode == 0, result.stderr
    records = json.loads((tmp_path / 'a.json').read_text())
    assert [record['frame'] for record in records] == list(range(8))
    assert all(len(record['faces']) == 1 for record in records)
    copy = cv2.VideoCapture(str(tmp_path / 'o' / 'walk.mp4'))
    assert int(copy.get(cv2.CAP_PROP_FRAME_COUNT)) == 8


def test_a_broken_video_is_named(tmp_path: Path) -> None:
    """A file that only looks like a video gives one line and exit code 2."""
    (tmp_path / 'broken.mp4').write_bytes(os.urandom(1000))
    result = run('classify', tmp_path / 'broken.mp4')
    assert result.returncode == 2
    assert 'broken.mp4 is not a readable video' in result.stderr


def test_an_original_is_never_overwritten(astronaut: Path) -> None:
    """An output folder that is the input folder is refused."""
    before = astronaut.read_bytes()
    result = run('classify', astronaut, '--output', astronaut.parent)
    assert result.returncode == 2
    assert f'would overwrite {astronaut}' in result.stderr
    assert astronaut.read_bytes() == before


def test_copies_of_one_name_are_refused_before_one_is_lost(
    astronaut: Path, tmp_path: Path
) -> None:
    """Two pictures of one name from two places would end as one file."""
    other = tmp_path / 'other' / 'astronaut.png'
    other.parent.mkdir()
    other.write_bytes(astronaut.read_bytes())
    result = run('classify', astronaut, other, '--output', tmp_path / 'out')
    assert result.returncode == 2
    assert 'would both be' in result.stderr
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    ('arguments', 'problem'),
    [
        (['classify', 'nowhere.png'], 'nowhere.png does not exist'),
        (['classify', '.', '--gender-model', 'none'], "no shipped model is called 'none'"),
        (
            ['classify', '.', '--gender-model', '/none.onnx'],
            'model file /none.onnx does not exist',
        ),
        (['classify', '.', '--detector', 'none'], "invalid choice: 'none'"),
        (['classify', '.', '--detector', 'yunet'], 'yunet needs the path of an ONNX file'),
        (['classify', '.', '--detection-threshold', '7'], 'detection threshold 7.0'),
        (['evaluate', 'emotion', '--data', '/nowhere'], 'holds no emotion data'),
        (['demo', '--video', '/nowhere.mp4', '--output', '{tmp}'], '/nowhere.mp4'),
    ],
)
def test_wrong_use_is_one_clear_line(arguments: list[str], problem: str, tmp_path: Path) -> None:
    """Exit code 2 and what is wrong, never a traceback."""
    result = run(*[each.format(tmp=tmp_path) for each in arguments])
    assert result.returncode == 2
    assert problem in result.stderr
    assert 'Traceback' not in result.stderr


def test_the_demo_shows_faces_and_ends_by_itself(tmp_path: Path) -> None:
    """A short video through the real node: faces are printed, and the three results are there."""
    write_video(tmp_path / 'walk.mp4', 30)
    result = run('demo', '--video', tmp_path / 'walk.mp4', '--output', tmp_path / 'demo')
    assert result.returncode == 0, result.stderr
    assert 'sent 30 pictures' in result.stdout
    records = json.loads((tmp_path / 'demo' / 'faces.json').read_text())
    assert any(record['faces'] for record in records)
    assert cv2.imread(str(tmp_path / 'demo' / 'contact_sheet.png')) is not None
    video = cv2.VideoCapture(str(tmp_path / 'demo' / 'annotated.mp4'))
    assert video.read()[0]
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(10)


def start_demo(folder: Path) -> tuple[subprocess.Popen[str], dict[str, int]]:
    """Start a demo; give it and its processes, once it has shown the first picture."""
    write_video(folder / 'walk.mp4', 300)
    command = [str(Path(sys.executable).with_name('face_classification')), 'demo']
    command += ['--video', str(folder / 'walk.mp4'), '--output', str(folder / 'demo')]
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert demo.stdout is not None
    line = demo.stdout.readline()
    assert 'nobody' in line or '[1]' in line, line
    children = Path(f'/proc/{demo.pid}/task/{demo.pid}/children').read_text().split()
    programs = {child: Path(f'/proc/{child}/cmdline').read_bytes() for child in children}
    return demo, {
        name: int(child)
        for child, program in programs.items()
        for name in ('node', 'camera')
        if f'face_classification_{name}\0'.encode() in program
    }


def test_a_demo_whose_node_dies_says_so(tmp_path: Path) -> None:
    """Faces that came before do not hide it: exit code 2 and the node's own."""
    demo, processes = start_demo(tmp_path)
    os.kill(processes['node'], signal.SIGKILL)
    _, errors = demo.communicate(timeout=60)
    assert demo.returncode == 2, errors
    assert 'the node ended with exit code -9' in errors


def test_a_demo_does_not_wait_for_a_camera_that_hangs(tmp_path: Path) -> None:
    """It says so, kills it and ends."""
    demo, processes = start_demo(tmp_path)
    os.kill(processes['camera'], signal.SIGSTOP)
    demo.send_signal(signal.SIGINT)
    _, errors = demo.communicate(timeout=60)
    assert demo.returncode == 2, errors
    assert 'the camera did not end within 10 s' in errors
    assert not Path(f'/proc/{processes["camera"]}').exists()


def test_a_demo_without_a_face_says_no(tmp_path: Path) -> None:
    """Exit code 1 where the camera shows nobody."""
    writer = cv2.VideoWriter(
        str(tmp_path / 'gray.mp4'), cv2.VideoWriter.fourcc(*'mp4v'), 10, (320, 240)
    )
    for _ in range(10):
        writer.write(np.full((240, 320, 3), 128, np.uint8))
    writer.release()
    result = run('demo', '--video', tmp_path / 'gray.mp4', '--output', tmp_path / 'demo')
    assert result.returncode == 1, result.stderr
    assert '0 faces found' in result.stdout
