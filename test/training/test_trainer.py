"""Training by a recipe, from a data set of synthetic faces to a model file."""

import csv
import json
from pathlib import Path
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import onnxruntime
import pytest

pytest.importorskip('tensorflow', reason='needs the extra [train]')

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.datasets.registry import read_dataset
from face_classification_ros.evaluation.classification import evaluate_classifier

RECIPE = """
attributes: [gender]
network: tiny.yaml
size: 32
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
    """Write 160 `women` with a bright upper half and 160 `men` with a bright lower half."""
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
    """Start the command in its own process, as a user does."""
    (folder / 'tiny.yaml').write_text(TINY)
    (folder / 'recipe.yaml').write_text(recipe.format(epochs=epochs))
    command = [str(Path(sys.executable).with_name('face_classification')), 'train']
    command += [str(folder / 'recipe.yaml'), '--data', *map(str, data)]
    command += ['--output', str(folder / 'run'), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def epochs_in(log: Path) -> list[int]:
    """Return the epochs in a run's log."""
    return [int(line.split(',')[0]) for line in log.read_text().splitlines()[1:]]


def evaluate(model: Path, attribute: str, folder: Path) -> float:
    """Return the validation accuracy of a model file."""
    dataset = read_dataset(attribute, folder, 'val')
    return float(evaluate_classifier(Classifier(model), dataset, 'val')['accuracy'])


def test_killed_run_can_be_resumed(tmp_path: Path, data: Path) -> None:
    """Killed after its first epochs, it completes all epochs and gives a good model.

    Without `--resume`, or with another recipe, the output folder is refused.
    """
    process = start_training(tmp_path, [data], 12)
    log = tmp_path / 'run' / 'log.csv'
    while not log.exists() or len(epochs_in(log)) < 2:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.communicate()

    for refused in (
        start_training(tmp_path, [data], 12),
        start_training(tmp_path, [data], 13, '--resume'),
    ):
        assert str(tmp_path / 'run') in refused.communicate()[1]
        assert refused.returncode == 2

    resumed = start_training(tmp_path, [data], 12, '--resume')
    output, errors = resumed.communicate()
    assert resumed.returncode == 0, errors
    assert sorted(set(epochs_in(log))) == list(range(12))
    model = Path(output.splitlines()[-1])
    assert evaluate(model, 'gender', data) > 0.9
    assert model.name == 'gender_tiny.onnx'
    assert list((tmp_path / 'run' / 'tensorboard').rglob('events*'))


def test_missing_data_is_a_one_line_error(tmp_path: Path) -> None:
    """A wrong folder ends the command with exit code 2."""
    process = start_training(tmp_path, [tmp_path / 'nowhere'], 1)
    errors = process.communicate()[1]
    assert process.returncode == 2
    assert str(tmp_path / 'nowhere') in errors.splitlines()[-1]


EVERYTHING = """
attributes: [gender, emotion]
network: tiny.yaml
size: 40
initial_size: 32
epochs: {epochs}
batch_size: 8
learning_rate: 0.01
ema: 0.9
balance: 0.5
flip_tta: true
teachers: [{{model: gender_mini_xception, weight: 0.1, function_matching: true}}]
"""


def test_multitask_network_learns_each_attribute_from_its_own_images(
    tmp_path: Path, data: Path
) -> None:
    """Half of the images have a gender, half an emotion; the network predicts both.

    Progressive resizing, averaged weights, balance, function matching and test-time flipping are
    on. The metadata contains the recipe without the folders of its files.
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
    assert classifier.path.name == 'multitask_tiny.onnx'
    assert classifier.input_spec.size == 40
    assert str(tmp_path) not in str(classifier.properties)
    assert '"network":"tiny.yaml"' in classifier.properties['recipe']
    for attribute, folder in (('gender', data), ('emotion', moods)):
        assert evaluate(classifier.path, attribute, folder) > 0.9, attribute


def test_network_for_an_invented_attribute_is_trained_and_exported(tmp_path: Path) -> None:
    """The labels are the names of three folders; the model file contains all that it needs."""
    for split, count in (('train', 24), ('val', 8)):
        for label, value in (('high', 240), ('low', 20), ('medium', 130)):
            (tmp_path / 'data' / split / label).mkdir(parents=True)
            for number in range(count):
                face = np.full((32, 32, 3), value + number % 8, np.uint8)
                cv2.imwrite(str(tmp_path / 'data' / split / label / f'{number}.png'), face)
    recipe = RECIPE.replace('[gender]', '[light]') + 'unknown_thresholds: {{light: 0.6}}\n'
    process = start_training(tmp_path, [tmp_path / 'data'], 2, recipe=recipe)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    session = onnxruntime.InferenceSession(output.splitlines()[-1])
    metadata = session.get_modelmeta().custom_metadata_map
    assert Path(output.splitlines()[-1]).name == 'light_tiny.onnx'
    assert json.loads(metadata['labels']) == {'light': ['high', 'low', 'medium']}
    assert json.loads(metadata['thresholds']) == {'light': 0.6}
    assert (metadata['color'], metadata['margin']) == ('gray', '0.0')
    (probabilities,) = session.run(['light'], {'faces': np.zeros((2, 32, 32, 1), np.uint8)})
    assert probabilities.shape == (2, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_run_is_initialized_by_another(tmp_path: Path, data: Path) -> None:
    """With the weights of a run or a model file, an epoch of a tiny learning rate is enough."""
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
        assert evaluate(Path(output.splitlines()[-1]), 'gender', data) > 0.9


def test_initial_weights_without_a_run_are_refused(tmp_path: Path, data: Path) -> None:
    """The message names the folder and the missing file."""
    process = start_training(tmp_path, [data], 1, '--start', str(tmp_path))
    errors = process.communicate()[1]
    assert str(tmp_path) in errors and 'checkpoint.keras' in errors
    assert process.returncode == 2


def test_flip_tta_gives_mirrored_faces_the_same_prediction(tmp_path: Path, data: Path) -> None:
    """Predictions for a face and its mirror image are averaged in the model file."""
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


def test_run_stops_when_the_validation_loss_no_longer_falls(tmp_path: Path, data: Path) -> None:
    """With patience 2 a run on random labels stops early and keeps its best epoch."""
    noise = tmp_path / 'random'
    for split, count in (('train', 16), ('val', 16)):
        for number, label in enumerate(('woman', 'man')):
            (noise / split / label).mkdir(parents=True)
            random = np.random.default_rng((number, count, split == 'val'))
            for each in range(count):
                face = random.integers(0, 256, (32, 32, 3)).astype(np.uint8)
                cv2.imwrite(str(noise / split / label / f'{each}.png'), face)
    process = start_training(tmp_path, [noise], 60, recipe=RECIPE + 'patience: 2\n')
    errors = process.communicate()[1]
    assert process.returncode == 0, errors
    with open(tmp_path / 'run' / 'log.csv', newline='') as file:
        losses = [float(row['val_loss']) for row in csv.DictReader(file)]
    assert len(losses) < 60
    assert int(np.argmin(losses)) == len(losses) - 3


def test_missing_attribute_is_a_one_line_error(tmp_path: Path, data: Path) -> None:
    """The message names the attribute of the recipe that no folder has."""
    process = start_training(tmp_path, [data], 1, recipe=EVERYTHING)
    errors = process.communicate()[1]
    assert process.returncode == 2
    assert 'emotion' in errors.splitlines()[-1]
