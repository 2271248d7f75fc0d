"""Training by a recipe, from a data set to a model file, on faces that are made here."""

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
from face_classification_ros.evaluation.classification import evaluate_classifier
from face_classification_ros.training.datasets import read_dataset
from face_classification_ros.training.trainer import fit_temperature

RECIPE = """
attribute: gender
network: mini_xception
epochs: {epochs}
batch_size: 8
learning_rate: 0.01
augmentation: {{shift: 0.05, mirror: true}}
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


def start_training(folder: Path, data: Path, epochs: int, *more: str) -> subprocess.Popen[str]:
    """Run the command in a process of its own, as a user does."""
    recipe = folder / 'recipe.yaml'
    recipe.write_text(RECIPE.format(epochs=epochs))
    command = [str(Path(sys.executable).with_name('face_classification')), 'train', str(recipe)]
    command += ['--data', str(data), '--output', str(folder / 'run'), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def epochs_in(log: Path) -> list[int]:
    """Give the epochs of a run's log."""
    return [int(line.split(',')[0]) for line in log.read_text().splitlines()[1:]]


def test_a_killed_run_goes_on_where_it_stopped_and_learns(tmp_path: Path, data: Path) -> None:
    """Killed after its first epochs and resumed, a run ends with all epochs and a good model.

    A run is refused where another is, and where the recipe is another.
    """
    process = start_training(tmp_path, data, 12)
    log = tmp_path / 'run' / 'log.csv'
    while not log.exists() or len(epochs_in(log)) < 2:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.communicate()

    again = start_training(tmp_path, data, 12)
    assert 'holds a run already; go on with --resume' in again.communicate()[1]
    assert again.returncode == 2
    other = start_training(tmp_path, data, 13, '--resume')
    assert 'holds a run by another recipe' in other.communicate()[1]
    assert other.returncode == 2

    resumed = start_training(tmp_path, data, 12, '--resume')
    output, errors = resumed.communicate()
    assert resumed.returncode == 0, errors
    assert sorted(set(epochs_in(log))) == list(range(12))
    model = Path(output.splitlines()[-1])

    report = evaluate_classifier(Classifier(model), read_dataset('gender', data, 'val'), 'val')
    assert report['accuracy'] > 0.9
    assert report['parameters'] == 52_658


def test_missing_data_is_told_in_one_line(tmp_path: Path) -> None:
    """A wrong folder ends the command with exit code 2."""
    process = start_training(tmp_path, tmp_path / 'nowhere', 1)
    errors = process.communicate()[1]
    assert process.returncode == 2
    assert 'holds no gender data of a known form' in errors.splitlines()[-1]


def test_temperature_makes_overconfident_answers_honest() -> None:
    """Logits three times too large are divided by three."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 1.5, (20_000, 3))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([random.choice(3, p=row) for row in probabilities])
    assert fit_temperature((3 * logits).astype(np.float32), truth) == pytest.approx(3, rel=0.05)
