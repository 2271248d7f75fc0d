"""Training by a recipe, from a data set to a model file, on faces that are made here."""

import csv
from pathlib import Path
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

pytest.importorskip('tensorflow', reason='needs the extra [train]')

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.datasets.registry import read_dataset
from face_classification_ros.evaluation.classification import evaluate_classifier

RECIPE = """
attributes: [gender]
network: tiny.yaml
side: 32
epochs: {epochs}
batch_size: 8
learning_rate: 0.01
augmentation: {{shift: 0.05, mirror: true}}
"""

TINY = """
name: tiny
blocks:
  - {block: convolution, filters: 8}
  - {block: residual_module, filters: 8}
"""


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make 160 `women` that are bright above and 160 `men` that are bright below."""
    folder, random = tmp_path_factory.mktemp('data'), np.random.default_rng(0)
    for split, count in (('train', 128), ('val', 32)):
        for label in ('woman', 'man'):
            (folder / split / label).mkdir(parents=True)
            for number in range(count):
                face = random.integers(0, 120, (48, 48, 3)).astype(np.uint8)
                half = slice(0, 24) if label == 'woman' else slice(24, 48)
                face[half] += 100
                cv2.imwrite(str(folder / split / label / f'{number}.png'), face)
    return folder


def start_training(
    folder: Path, data: list[Path], epochs: int, *more: str, recipe: str = RECIPE
) -> subprocess.Popen[str]:
    """Run the command in a process of its own, as a user does."""
    (folder / 'tiny.yaml').write_text(TINY)
    (folder / 'recipe.yaml').write_text(recipe.format(epochs=epochs))
    command = [str(Path(sys.executable).with_name('face_classification')), 'train']
    command += [str(folder / 'recipe.yaml'), '--data', *map(str, data)]
    command += ['--output', str(folder / 'run'), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def epochs_in(log: Path) -> list[int]:
    """Give the epochs of a run's log."""
    return [int(line.split(',')[0]) for line in log.read_text().splitlines()[1:]]


def test_a_killed_run_goes_on_where_it_stopped_and_learns(tmp_path: Path, data: Path) -> None:
    """Killed after its first epochs and resumed, a run ends with all epochs and a good model.

    A run is refused where another is, and where the recipe is another.
    """
    process = start_training(tmp_path, [data], 12)
    log = tmp_path / 'run' / 'log.csv'
    while not log.exists() or len(epochs_in(log)) < 2:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.communicate()

    again = start_training(tmp_path, [data], 12)
    assert 'holds a run already; go on with --resume' in again.communicate()[1]
    assert again.returncode == 2
    other = start_training(tmp_path, [data], 13, '--resume')
    assert 'holds a run by another recipe' in other.communicate()[1]
    assert other.returncode == 2

    resumed = start_training(tmp_path, [data], 12, '--resume')
    output, errors = resumed.communicate()
    assert resumed.returncode == 0, errors
    assert sorted(set(epochs_in(log))) == list(range(12))
    model = Path(output.splitlines()[-1])

    report = evaluate_classifier(Classifier(model), read_dataset('gender', data, 'val'), 'val')
    assert report['accuracy'] > 0.9
    assert model.name == 'gender_tiny.onnx'
    assert list((tmp_path / 'run' / 'tensorboard').rglob('events*'))


def test_missing_data_is_told_in_one_line(tmp_path: Path) -> None:
    """A wrong folder ends the command with exit code 2."""
    process = start_training(tmp_path, [tmp_path / 'nowhere'], 1)
    errors = process.communicate()[1]
    assert process.returncode == 2
    assert 'holds no gender data of a known form' in errors.splitlines()[-1]


EVERYTHING = """
attributes: [gender, emotion]
network: tiny.yaml
side: 40
initial_size: 32
epochs: {epochs}
batch_size: 8
learning_rate: 0.01
ema: 0.9
balance: 0.5
flip_tta: true
teachers: [{{model: gender_mini_xception, share: 0.1, function_matching: true}}]
"""


def test_a_blended_network_learns_each_attribute_from_its_own_pictures(
    tmp_path: Path, data: Path
) -> None:
    """Half of the pictures have a gender, half an emotion; one network tells both afterwards.

    Progressive resizing, averaged weights, balance, a teacher and averaging with the mirror image
    are all on. The model file names the files of its recipe, but not where they lie.
    """
    moods, random = tmp_path / 'moods', np.random.default_rng(1)
    for split, count in (('train', 96), ('val', 32)):
        for label, columns in (('happy', np.arange(48) % 8 < 4), ('sad', np.arange(48) < 48)):
            (moods / split / label).mkdir(parents=True)
            for number in range(count):
                face = random.integers(0, 120, (48, 48, 3)).astype(np.uint8)
                face[:, columns] += 100
                cv2.imwrite(str(moods / split / label / f'{number}.png'), face)
    process = start_training(tmp_path, [data, moods], 12, recipe=EVERYTHING)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    classifier = Classifier(output.splitlines()[-1])
    assert classifier.path.name == 'blended_tiny.onnx'
    assert classifier.input_spec.size == 40
    assert str(tmp_path) not in str(classifier.properties)
    assert '"network":"tiny.yaml"' in classifier.properties['recipe']
    for attribute, folder in (('gender', data), ('emotion', moods)):
        report = evaluate_classifier(classifier, read_dataset(attribute, folder, 'val'), 'val')
        assert report['accuracy'] > 0.9, attribute


def test_a_run_starts_from_the_weights_of_another(tmp_path: Path, data: Path) -> None:
    """Those of a run or a model file are not forgotten in an epoch that hardly learns anything."""
    first = start_training(tmp_path, [data], 12)
    first.communicate()
    assert first.returncode == 0
    recipe = RECIPE.replace('learning_rate: 0.01', 'learning_rate: 0.00001')
    for start in ('run', 'run/gender_tiny.onnx'):
        folder = tmp_path / f'from_{Path(start).suffix or start}'
        folder.mkdir()
        more = ('--start', str(tmp_path / start))
        process = start_training(folder, [data], 1, *more, recipe=recipe)
        output, errors = process.communicate()
        assert process.returncode == 0, errors
        classifier = Classifier(output.splitlines()[-1])
        report = evaluate_classifier(classifier, read_dataset('gender', data, 'val'), 'val')
        assert report['accuracy'] > 0.9


def test_a_start_without_a_run_is_refused(tmp_path: Path, data: Path) -> None:
    """The line names the folder and what is missing in it."""
    process = start_training(tmp_path, [data], 1, '--start', str(tmp_path))
    assert f'{tmp_path} holds no checkpoint.keras of a run' in process.communicate()[1]
    assert process.returncode == 2


def test_mirrored_faces_have_the_same_answer(tmp_path: Path, data: Path) -> None:
    """With flip_tta, a face and its mirror image cannot be told differently."""
    process = start_training(tmp_path, [data], 1, recipe=RECIPE + 'flip_tta: true\n')
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    classifier = Classifier(output.splitlines()[-1])
    faces = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1)).astype(np.uint8)
    np.testing.assert_allclose(
        classifier.classify(faces)['gender'],
        classifier.classify(np.ascontiguousarray(faces[:, :, ::-1]))['gender'],
        atol=1e-5,
    )


def test_a_run_stops_when_validation_gets_no_better(tmp_path: Path, data: Path) -> None:
    """With patience 2 a run on labels without sense stops early and keeps its best epoch."""
    senseless = tmp_path / 'senseless'
    for split, count in (('train', 16), ('val', 16)):
        for number, label in enumerate(('woman', 'man')):
            (senseless / split / label).mkdir(parents=True)
            random = np.random.default_rng((number, count, split == 'val'))
            for each in range(count):
                face = random.integers(0, 256, (32, 32, 3)).astype(np.uint8)
                cv2.imwrite(str(senseless / split / label / f'{each}.png'), face)
    process = start_training(tmp_path, [senseless], 60, recipe=RECIPE + 'patience: 2\n')
    errors = process.communicate()[1]
    assert process.returncode == 0, errors
    with open(tmp_path / 'run' / 'log.csv', newline='') as file:
        losses = [float(row['val_loss']) for row in csv.DictReader(file)]
    assert len(losses) < 60
    assert int(np.argmin(losses)) == len(losses) - 3


def test_resumed_run_has_the_losses_of_an_uninterrupted_one(tmp_path: Path, data: Path) -> None:
    """Order of the faces, optimizer and averaged weights continue where the killed run was.

    The log may repeat the epoch in which the run was killed.
    """
    recipe = RECIPE + 'ema: 0.9\npatience: 50\n'
    losses = []
    for name in ('uninterrupted', 'killed'):
        folder = tmp_path / name
        folder.mkdir()
        log = folder / 'run' / 'log.csv'
        process = start_training(folder, [data], 6, recipe=recipe)
        if name == 'killed':
            while not log.exists() or len(epochs_in(log)) < 3:
                assert process.poll() is None, process.communicate()[1]
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            process = start_training(folder, [data], 6, '--resume', recipe=recipe)
        errors = process.communicate()[1]
        assert process.returncode == 0, errors
        with open(log, newline='') as file:
            losses.append({row['epoch']: float(row['val_loss']) for row in csv.DictReader(file)})
    assert len(losses[0]) == 6
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def test_data_of_another_attribute_is_refused(tmp_path: Path, data: Path) -> None:
    """A recipe for both attributes says which one no folder holds."""
    process = start_training(tmp_path, [data], 1, recipe=EVERYTHING)
    errors = process.communicate()[1]
    assert process.returncode == 2
    assert 'the recipe wants emotion, but no --data folder holds any' in errors.splitlines()[-1]
