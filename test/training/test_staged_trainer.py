"""Training of a recipe with several stages by one command."""

from __future__ import annotations

import json
from pathlib import Path
import signal
import subprocess
import sys
import time

from dataset_layouts import write_bright_halves, write_fer2013
import numpy as np
import pytest

pytest.importorskip('tensorflow', reason='needs the extra [train]')

import keras

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.commands.main import main

RECIPE = """
attributes: [gender]
network: tiny.yaml
size: 32
epochs: 6
batch_size: 8
learning_rate: 0.01
stages:
  - {name: large, epochs: 8}
  - {name: student, teachers: [{model: large, weight: 1.0}]}
  - {name: finish, init_from: student, epochs: 1, learning_rate: 0.00001}
"""

TINY = """
name: tiny
blocks:
  - {block: convolution, filters: 8}
  - {block: residual_module, filters: 8}
"""


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """Write faces with a bright upper or lower half and a recipe; return the command line."""
    write_bright_halves(tmp_path / 'data', train=64, val=16)
    (tmp_path / 'tiny.yaml').write_text(TINY)
    (tmp_path / 'recipe.yaml').write_text(RECIPE)
    paths = [tmp_path / each for each in ('recipe.yaml', 'data', 'run')]
    return ['train', str(paths[0]), '--data', str(paths[1]), '--output', str(paths[2])]


def epochs_in(stage: Path) -> list[int]:
    """Return the epochs in the log of a stage."""
    log = stage / 'log.csv'
    return [int(line.split(',')[0]) for line in log.read_text().splitlines()[1:]]


def filters_of(stage: Path) -> np.ndarray:
    """Return the first filters of the network of a stage."""
    network = keras.models.load_model(stage / 'checkpoint.keras')
    return network.get_layer('convolution1.maps').get_weights()[0]


def test_killed_run_continues_with_its_stage(tmp_path: Path, arguments: list[str]) -> None:
    """Complete stages are not repeated; the result of the last one is that of the command."""
    program = 'from face_classification_ros.commands.main import main; main()'
    process = subprocess.Popen(
        [sys.executable, '-c', program, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    large, student, finish = (tmp_path / 'run' / each for each in ('large', 'student', 'finish'))
    while not (student / 'log.csv').exists() or len(epochs_in(student)) < 2:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (first,) = large.glob('*.onnx')
    written = first.stat().st_mtime_ns
    assert not finish.exists()

    assert main(arguments) == 2
    assert main([*arguments, '--resume']) == 0
    assert first.stat().st_mtime_ns == written
    assert epochs_in(large) == list(range(8))
    assert epochs_in(student) == list(range(6))
    assert epochs_in(finish) == [0]
    (teacher,) = json.loads((student / 'run.json').read_text())['recipe']['teachers']
    assert teacher['model'] == first.name

    # At its tiny learning rate the last stage nearly keeps the weights that it starts with.
    np.testing.assert_allclose(filters_of(finish), filters_of(student), atol=1e-3)
    assert not np.allclose(filters_of(finish), filters_of(large), atol=1e-3)
    result = tmp_path / 'run' / first.name
    assert result.read_bytes() == (finish / first.name).read_bytes()


def test_run_continues_in_another_place(tmp_path: Path, arguments: list[str]) -> None:
    """A teacher is recorded by its content, not by its path; another one is refused."""
    recipe = tmp_path / 'recipe.yaml'
    recipe.write_text(RECIPE.replace('epochs: 8', 'epochs: 1').replace('epochs: 6', 'epochs: 1'))
    assert main(arguments) == 0
    moved = (tmp_path / 'run').rename(tmp_path / 'moved')
    for model in (moved / 'finish').glob('*.onnx'):
        model.unlink()
    moved_arguments = [*arguments[:-1], str(moved), '--resume']
    assert main(moved_arguments) == 0
    (result,) = (moved / 'finish').glob('*.onnx')
    (teacher,) = (moved / 'large').glob('*.onnx')
    teacher.write_bytes(result.read_bytes())
    assert main(moved_arguments) == 2


def test_changed_stage_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    """Also one that is complete; a later one may still change."""
    recipe = tmp_path / 'recipe.yaml'
    recipe.write_text(RECIPE.replace('epochs: 8', 'epochs: 1').replace('epochs: 6', 'epochs: 1'))
    assert main(arguments) == 0
    recipe.write_text(RECIPE)
    assert main([*arguments, '--resume']) == 2


def test_stages_are_trained_by_one_machine(arguments: list[str], tmp_path: Path) -> None:
    """A teacher would be on one of several machines only."""
    hosts = ['--cluster-hosts', 'localhost:9001', 'localhost:9002', '--task-index', '0']
    assert main([*arguments, *hosts]) == 2
    assert not (tmp_path / 'run').exists()


def test_eyes_are_searched_once_for_all_stages(arguments: list[str], tmp_path: Path) -> None:
    """Stages that draw glasses use the same positions, as the search takes minutes."""
    recipe = tmp_path / 'recipe.yaml'
    short = RECIPE.replace('epochs: 8', 'epochs: 1').replace('epochs: 6', 'epochs: 1')
    recipe.write_text(f'{short}augmentation: {{glasses: 0.5}}\n')
    assert main(arguments) == 0
    (cache,) = (tmp_path / 'run').rglob('eyes/*')
    assert cache.parent == tmp_path / 'run' / 'eyes'


def test_stage_uses_the_data_of_its_attributes(arguments: list[str], tmp_path: Path) -> None:
    """A teacher of emotion beside data of gender, before a student of both."""
    (tmp_path / 'fer2013').mkdir()
    votes = ','.join(['0'] * 10)
    write_fer2013(
        tmp_path / 'fer2013',
        [
            (label, 40 * label + 2 * number + shift, usage, votes)
            for shift, usage in enumerate(('Training', 'PublicTest'))
            for label in range(3)
            for number in range(8)
        ],
    )
    recipe = tmp_path / 'recipe.yaml'
    recipe.write_text(
        f"""{RECIPE.partition('stages')[0].replace('epochs: 6', 'epochs: 1')}stages:
  - {{name: teacher, attributes: [emotion]}}
  - {{name: student, attributes: [emotion, gender], teachers: [{{model: teacher}}]}}
"""
    )
    both = ['--data', str(tmp_path / 'data'), str(tmp_path / 'fer2013')]
    command = [*arguments[:2], *both, *arguments[4:]]
    assert main(command) == 0
    (model,) = (tmp_path / 'run').glob('*.onnx')
    assert set(Classifier(model).labels) == {'emotion', 'gender'}


def test_data_that_no_stage_uses_are_refused(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the first stage, by name."""
    (tmp_path / 'empty').mkdir()
    assert main([*arguments[:4], str(tmp_path / 'empty'), *arguments[4:]]) == 2
    assert str(tmp_path / 'empty') in capsys.readouterr().err
    assert not (tmp_path / 'run').exists()


def test_given_weights_are_for_the_first_stage_without_a_start(
    arguments: list[str], tmp_path: Path
) -> None:
    """The teacher starts with a shipped model, so the weights of another run are the student's."""
    recipe = tmp_path / 'recipe.yaml'
    short = RECIPE.replace('epochs: 8', 'epochs: 1').replace('epochs: 6', 'epochs: 1')
    recipe.write_text(short)
    assert main(arguments) == 0
    first = tmp_path / 'run' / 'finish'

    start = 'name: large, network: mini_xception, init_from: gender_mini_xception,'
    recipe.write_text(short.replace('name: large,', start).replace('0.01', '0.00001'))
    command = [*arguments[:-1], str(tmp_path / 'second'), '--init-from', str(first)]
    assert main(command) == 0
    student = tmp_path / 'second' / 'student'
    np.testing.assert_allclose(filters_of(student), filters_of(first), atol=1e-3)


@pytest.mark.parametrize('more', [[], ['--resume']])
def test_late_stage_of_another_recipe_is_refused_before_the_first(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    """Both recipes have a stage of the same name; nothing is trained into that folder."""
    short = RECIPE.replace('epochs: 8', 'epochs: 1').replace('epochs: 6', 'epochs: 1')
    recipe = tmp_path / 'recipe.yaml'
    recipe.write_text(short)
    assert main(arguments) == 0
    recipe.write_text(short.replace('large', 'teacher'))
    capsys.readouterr()
    assert main([*arguments, *more]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / 'run' / 'student') in line
    assert not (tmp_path / 'run' / 'teacher').exists()


def test_resume_of_a_missing_run_is_mentioned(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its name may be misspelled; the new run that starts is reported as such."""
    misspelled = tmp_path / 'rum'
    recipe, command = tmp_path / 'recipe.yaml', [*arguments[:-1], str(misspelled), '--resume']
    recipe.write_text(RECIPE.replace('epochs: 8', 'epoch: 8'))
    assert main(command) == 2
    assert str(misspelled) not in capsys.readouterr().err
    recipe.write_text(RECIPE.replace('epochs: 8', 'epochs: 1').replace('epochs: 6', 'epochs: 1'))
    assert main(command) == 0
    assert str(misspelled) in capsys.readouterr().err
    assert main(command) == 0
    assert str(misspelled) not in capsys.readouterr().err


def test_output_that_is_a_file_is_refused(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the first stage, by name; the file stays as it is."""
    (tmp_path / 'run').write_text('notes')
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert 'stage' not in output.out
    (line,) = output.err.splitlines()
    assert str(tmp_path / 'run') in line
    assert (tmp_path / 'run').read_text() == 'notes'


@pytest.mark.parametrize('lack', ['attribute', 'data set', 'weights'])
def test_what_a_late_stage_lacks_is_reported_before_the_first(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], lack: str
) -> None:
    """In one line, with its name; hours of training would be lost otherwise."""
    recipe = tmp_path / 'recipe.yaml'
    missing = tmp_path / 'missing.onnx'
    if lack == 'attribute':
        text = RECIPE.replace('name: finish,', 'name: finish, attributes: [gender, emotion],')
        named, command = 'finish', arguments
    elif lack == 'data set':
        text = RECIPE.replace('name: finish,', 'name: finish, sampling: {utkface: 2},')
        named, command = 'utkface', arguments
    else:
        start = 'name: large, network: mini_xception, init_from: gender_mini_xception,'
        text = RECIPE.replace('name: large,', start)
        named, command = str(missing), [*arguments, '--init-from', str(missing)]
    recipe.write_text(text)
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line
    assert not (tmp_path / 'run').exists()
