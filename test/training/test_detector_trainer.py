"""Training of a detector by a recipe, from scenes and a teacher to a model file."""

import json
from pathlib import Path
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

pytest.importorskip('tensorflow', reason='needs the extra [train]')

import onnx
from scipy.special import expit, logit
from small_models import yunet_model

from face_classification_ros.commands.main import main
from face_classification_ros.config import DetectorConfig
from face_classification_ros.detection import create_detector
from face_classification_ros.detection.own import Own
from face_classification_ros.networks.builder import build_network
from face_classification_ros.networks.description import read_network
from face_classification_ros.training.detector_calibration import ScoreCalibration
from face_classification_ros.training.detector_export import convert_detector
from face_classification_ros.training.detector_recipe import read_detector_recipe
from face_classification_ros.training.detector_trainer import train_detector

RECIPE = """
task: face_detection
network: small.yaml
size: 64
epochs: {epochs}
images_per_epoch: 16
validation_images: 4
batch_size: 4
augmentation: {{mosaic: 0.4, mirror: true, rotation: 12, noise: 0.5}}
"""

SMALL = """
name: small
blocks:
  - {block: convolution, filters: 4, stride: 2}
  - {block: separable_convolution, filters: 4, stride: 2}
  - {block: separable_convolution, filters: 4, stride: 2}
  - {block: separable_convolution, filters: 4, stride: 2}
  - {block: separable_convolution, filters: 4, stride: 2}
head: {head: detection}
"""


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write scenes with one white square each, and a teacher that predicts by gray level."""
    folder = tmp_path_factory.mktemp('data')
    face = {'box': [30, 20, 24, 24], 'landmarks': [[40, 30]] * 5, 'use': 'face'}
    for name in ('train', 'validation'):
        (folder / name).mkdir()
        for number in range(4):
            image = np.full((80, 100, 3), 20 * number, np.uint8)
            image[20:44, 30:54] = 255
            cv2.imwrite(str(folder / name / f'{number}.png'), image)
        images = {f'{number}.png': {'faces': [face]} for number in range(4)}
        (folder / name / 'boxes.json').write_text(json.dumps({'images': images}))
    onnx.save(yunet_model(), folder / 'teacher.onnx')
    return folder


def write_recipe(folder: Path, epochs: int) -> Path:
    """Write a recipe and its network."""
    (folder / 'small.yaml').write_text(SMALL)
    (folder / 'recipe.yaml').write_text(RECIPE.format(epochs=epochs))
    return folder / 'recipe.yaml'


def arguments(folder: Path, data: Path, *more: str) -> list[str]:
    """Return the arguments of `face_classification train`."""
    return [
        'train',
        str(folder / 'recipe.yaml'),
        '--data',
        str(data),
        '--teacher',
        str(data / 'teacher.onnx'),
        '--output',
        str(folder / 'run'),
        *more,
    ]


def epochs_in(log: Path) -> list[int]:
    """Return the epochs in a run's log."""
    return [int(line.split(',')[0]) for line in log.read_text().splitlines()[1:]]


def test_killed_run_can_be_resumed_and_its_model_runs(tmp_path: Path, data: Path) -> None:
    """It completes all epochs; the model file is a detector for images of any size.

    The export compares it with the network. Without `--resume`, or with another recipe or
    teacher, the output folder is rejected.
    """
    write_recipe(tmp_path, 8)
    program = 'from face_classification_ros.commands.main import main; main()'
    command = [sys.executable, '-c', program]
    process = subprocess.Popen(
        [*command, *arguments(tmp_path, data)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    log = tmp_path / 'run' / 'log.csv'
    while not log.exists() or len(epochs_in(log)) < 2:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()

    recipe = read_detector_recipe(tmp_path / 'recipe.yaml')
    teacher, output = data / 'teacher.onnx', tmp_path / 'run'
    with pytest.raises(ValueError, match='resume'):
        train_detector(recipe, data, teacher, output)
    other = recipe.model_copy(update={'seed': 2})
    with pytest.raises(ValueError, match='different recipe'):
        train_detector(other, data, teacher, output, resume=True)

    path = train_detector(recipe, data, teacher, output, resume=True)
    epochs = epochs_in(log)
    assert sorted(set(epochs)) == list(range(8))
    assert len(epochs) <= 9
    losses = [float(line.split(',')[1]) for line in log.read_text().splitlines()[1:]]
    assert losses[-1] < losses[0]

    detector = create_detector(
        DetectorConfig(
            detector='yunet',
            detector_model=str(path),
            detection_threshold=0.0,
            detection_interval=1,
        )
    )
    faces = detector.detect(np.full((50, 70, 3), 200, np.uint8))
    assert faces
    assert all(len(face.landmarks) == 5 for face in faces)
    properties = {each.key: each.value for each in onnx.load(path).metadata_props}
    assert properties['task'] == 'face_detection'
    assert json.loads(properties['recipe'])['network'] == 'small.yaml'


def test_detector_is_initialized_by_another(tmp_path: Path, data: Path) -> None:
    """With the weights of a model file, an epoch of a tiny learning rate changes little."""
    recipe = read_detector_recipe(write_recipe(tmp_path, 2)).model_copy(update={'ema': None})
    teacher = data / 'teacher.onnx'
    first = train_detector(recipe, data, teacher, tmp_path / 'run')
    image = cv2.imread(str(data / 'train' / '3.png'))[:64, :96]
    boxes_and_landmarks = Own(str(first), 1).cells(image)[:, 1:]
    once = recipe.model_copy(update={'epochs': 1, 'learning_rate': 1e-8, 'seed': 5})

    for number, source in enumerate((None, first)):
        path = train_detector(once, data, teacher, tmp_path / str(number), init_from=source)
        is_equal = np.allclose(
            Own(str(path), 1).cells(image)[:, 1:], boxes_and_landmarks, atol=0.05
        )
        assert is_equal == (source is not None)


def test_calibration_is_part_of_the_model_file(tmp_path: Path) -> None:
    """Its scores are those of the network, corrected; boxes stay as they are."""
    write_recipe(tmp_path, 1)
    recipe = read_detector_recipe(tmp_path / 'recipe.yaml')
    network = build_network(read_network(recipe.network), (None, None, 3), {})
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)

    def cells(calibration: ScoreCalibration | None) -> np.ndarray:
        path = tmp_path / 'detector.onnx'
        onnx.save(convert_detector(network, recipe, calibration), path)
        return Own(str(path), 1).cells(image)

    plain, calibrated = cells(None), cells(ScoreCalibration(2.0, 1.0))
    expected = expit(2 * logit(plain[:, 0]) + 1)
    np.testing.assert_allclose(calibrated[:, 0], expected, rtol=1e-3)
    np.testing.assert_allclose(calibrated[:, 1:], plain[:, 1:], rtol=1e-4, atol=1e-4)


def test_wrong_options_are_rejected(tmp_path: Path, data: Path) -> None:
    """It needs one teacher and one data set; initial weights have to exist."""
    write_recipe(tmp_path, 1)
    without_teacher = arguments(tmp_path, data)
    del without_teacher[4:6]
    assert main(without_teacher)
    assert main(arguments(tmp_path, data, '--init-from', 'run'))
    assert main(arguments(tmp_path, tmp_path / 'no_data'))
    assert not (tmp_path / 'run').exists()


def test_network_of_a_classifier_is_rejected(tmp_path: Path, data: Path) -> None:
    """It has no detection head."""
    recipe = read_detector_recipe(write_recipe(tmp_path, 1))
    recipe = recipe.model_copy(update={'network': 'mini_xception'})
    with pytest.raises(ValueError, match='detection head'):
        train_detector(recipe, data, data / 'teacher.onnx', tmp_path / 'run')
    assert not (tmp_path / 'run').exists()
