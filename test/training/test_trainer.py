"""Training by a recipe, from a data set of synthetic faces to a model file."""

from collections.abc import Callable
import csv
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

import cv2
from dataset_layouts import (
    write_boxes,
    write_bright_halves,
    write_fairface,
    write_image,
    write_rafdb,
)
import numpy as np
import pytest

pytest.importorskip('tensorflow', reason='needs the extra [train]')

import keras

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.classification.crops import InputSpec
from face_classification_ros.commands.main import main
from face_classification_ros.datasets.registry import read_dataset
from face_classification_ros.evaluation.classification import evaluate_classifier
from face_classification_ros.networks.builder import build_network
from face_classification_ros.networks.description import read_network
from face_classification_ros.training.checkpoint import (
    check_output,
    CHECKPOINT,
    DamagedRunError,
    RUN,
)
from face_classification_ros.training.data import read_splits
from face_classification_ros.training.export import export_classifier
from face_classification_ros.training.recipe import read_recipe, Recipe
from face_classification_ros.training.trainer import train

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
    folder = tmp_path_factory.mktemp('data')
    write_bright_halves(folder, train=128, val=32)
    return folder


TRAIN = """
import sys
from pathlib import Path
from face_classification_ros.training.data import read_splits
from face_classification_ros.training.recipe import read_recipe, Recipe
from face_classification_ros.training.trainer import train

folder, resume, *data = sys.argv[1:]
recipe = read_recipe(Path(folder, 'recipe.yaml'))
train(recipe, [Path(each) for each in data], Path(folder, 'run'), resume=resume == 'resume')
"""


def write_recipe(folder: Path, recipe: str, epochs: int) -> Path:
    """Write a recipe and its network."""
    folder.mkdir(exist_ok=True)
    (folder / 'tiny.yaml').write_text(TINY)
    (folder / 'recipe.yaml').write_text(recipe.format(epochs=epochs))
    return folder / 'recipe.yaml'


def start_training(
    folder: Path, data: list[Path], epochs: int, *, resume: bool = False, recipe: str = RECIPE
) -> subprocess.Popen[str]:
    """Start a training that can be killed."""
    write_recipe(folder, recipe, epochs)
    arguments = [str(folder), 'resume' if resume else 'new', *map(str, data)]
    return subprocess.Popen(
        [sys.executable, '-c', TRAIN, *arguments], stderr=subprocess.PIPE, text=True
    )


def run_training(
    folder: Path, data: list[Path], epochs: int, recipe: str = RECIPE, **options: Any
) -> Path:
    """Train in this process; return the model file."""
    path = write_recipe(folder, recipe, epochs)
    return train(read_recipe(path), data, folder / 'run', **options)


def test_an_unknown_network_is_rejected_before_anything_is_written(
    data: Path, tmp_path: Path
) -> None:
    """The exit code is 2, and the output folder does not exist."""
    recipe = tmp_path / 'recipe.yaml'
    recipe.write_text('attributes: [gender]\nnetwork: nope\n')
    arguments = ['train', recipe, '--data', data, '--output', tmp_path / 'run']
    assert main([*map(str, arguments)]) == 2
    assert not (tmp_path / 'run').exists()


def epochs_in(log: Path) -> list[int]:
    """Return the epochs in a run's log."""
    return [int(line.split(',')[0]) for line in log.read_text().splitlines()[1:]]


def evaluate(model: Path, attribute: str, folder: Path) -> float:
    """Return the validation accuracy of a model file."""
    dataset = read_dataset(attribute, folder, 'val')
    return float(evaluate_classifier(Classifier(model), dataset, 'val')['accuracy'])


def test_killed_run_can_be_resumed(tmp_path: Path, data: Path) -> None:
    """Killed after its first epochs, it completes all epochs and gives a good model.

    Without `resume`, or with another recipe, the output folder is rejected.
    """
    process = start_training(tmp_path, [data], 12)
    log = tmp_path / 'run' / 'log.csv'
    while not log.exists() or len(epochs_in(log)) < 2:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.communicate()

    for epochs, resume, problem in ((12, False, '--resume'), (13, True, 'different recipe')):
        with pytest.raises(ValueError, match=f'{tmp_path / "run"} .*{problem}'):
            run_training(tmp_path, [data], epochs, resume=resume)

    model = run_training(tmp_path, [data], 12, resume=True)
    assert sorted(set(epochs_in(log))) == list(range(12))
    assert evaluate(model, 'gender', data) > 0.9
    assert model.name == 'gender_tiny.onnx'
    assert list((tmp_path / 'run' / 'tensorboard').rglob('events*'))


def test_validation_images_are_not_enough_for_training(tmp_path: Path) -> None:
    """A folder with the same images in both splits has none left to train on."""
    for split in ('train', 'val'):
        for label, value in (('woman', 200), ('man', 50)):
            (tmp_path / 'data' / split / label).mkdir(parents=True)
            face = np.full((32, 32, 3), value, np.uint8)
            cv2.imwrite(str(tmp_path / 'data' / split / label / '0.png'), face)
    with pytest.raises(ValueError, match=str(tmp_path / 'data')):
        run_training(tmp_path, [tmp_path / 'data'], 1)


def test_folder_without_data_is_named(tmp_path: Path) -> None:
    """A wrong folder is an error before any training."""
    with pytest.raises(ValueError, match=str(tmp_path / 'nowhere')):
        run_training(tmp_path, [tmp_path / 'nowhere'], 1)


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
    classifier = Classifier(run_training(tmp_path, [data, moods], 12, EVERYTHING))
    assert classifier.path.name == 'multitask_tiny.onnx'
    assert classifier.input_spec.size == 40
    assert str(tmp_path) not in str(classifier.properties)
    assert '"network":"tiny.yaml"' in classifier.properties['recipe']
    for attribute, folder in (('gender', data), ('emotion', moods)):
        assert evaluate(classifier.path, attribute, folder) > 0.9, attribute


def test_network_for_an_invented_attribute_is_trained_and_exported(tmp_path: Path) -> None:
    """The labels are the names of three folders; the model file contains all that it needs."""
    random = np.random.default_rng(0)
    for split, count in (('train', 24), ('val', 8)):
        for label, value in (('high', 200), ('low', 20), ('medium', 110)):
            (tmp_path / 'data' / split / label).mkdir(parents=True)
            for number in range(count):
                face = random.integers(value, value + 40, (32, 32, 3)).astype(np.uint8)
                cv2.imwrite(str(tmp_path / 'data' / split / label / f'{number}.png'), face)
    recipe = RECIPE.replace('[gender]', '[light]') + 'unknown_thresholds: {{light: 0.6}}\n'
    classifier = Classifier(run_training(tmp_path, [tmp_path / 'data'], 2, recipe))
    assert classifier.path.name == 'light_tiny.onnx'
    assert classifier.labels == {'light': ('high', 'low', 'medium')}
    assert classifier.thresholds == {'light': 0.6}
    assert classifier.input_spec == InputSpec(32, 0.0, 'gray')
    probabilities = classifier.classify(np.zeros((2, 32, 32, 1), np.uint8))['light']
    assert probabilities.shape == (2, 3)


def test_run_is_initialized_by_another(tmp_path: Path, data: Path) -> None:
    """With the weights of a run or a model file, an epoch of a tiny learning rate is enough."""
    run_training(tmp_path, [data], 12)
    recipe = RECIPE.replace('learning_rate: 0.01', 'learning_rate: 0.00001')
    for number, source in enumerate(('run', 'run/gender_tiny.onnx')):
        folder = tmp_path / str(number)
        model = run_training(folder, [data], 1, recipe, init_from=tmp_path / source)
        assert evaluate(model, 'gender', data) > 0.9


def test_initial_weights_without_a_run_are_refused(tmp_path: Path, data: Path) -> None:
    """The message names the folder and the missing file."""
    with pytest.raises(ValueError, match=rf'{tmp_path} .*checkpoint\.keras'):
        run_training(tmp_path, [data], 1, init_from=tmp_path)


def test_flip_tta_gives_mirrored_faces_the_same_prediction(tmp_path: Path, data: Path) -> None:
    """Predictions for a face and its mirror image are averaged in the model file."""
    classifier = Classifier(run_training(tmp_path, [data], 1, RECIPE + 'flip_tta: true\n'))
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
    run_training(tmp_path, [noise], 60, RECIPE + 'patience: 2\n')
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
        log = folder / 'run' / 'log.csv'
        if name == 'killed':
            process = start_training(folder, [data], 6, recipe=recipe)
            while not log.exists() or len(epochs_in(log)) < 3:
                assert process.poll() is None, process.communicate()[1]
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        run_training(folder, [data], 6, recipe, resume=name == 'killed')
        with open(log, newline='') as file:
            losses.append({row['epoch']: float(row['val_loss']) for row in csv.DictReader(file)})
    assert len(losses[0]) == 6
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def copy_of(data: Path, folder: Path) -> Path:
    """Return a copy of the data that may be changed."""
    return Path(shutil.copytree(data, folder / 'data'))


def remove_an_image(data: Path) -> None:
    """Remove a training image, which changes the number of steps of an epoch."""
    for number in range(8):
        (data / 'train' / 'woman' / f'{number}.png').unlink()


def change_an_image(data: Path) -> None:
    """Change pixels, but neither their number nor their labels."""
    cv2.imwrite(str(data / 'train' / 'man' / '0.png'), np.zeros((48, 48, 3), np.uint8))


def exchange_labels(data: Path) -> None:
    """Exchange a woman and a man in the validation data."""
    woman, man = data / 'val' / 'woman' / '0.png', data / 'val' / 'man' / '0.png'
    woman_bytes, man_bytes = woman.read_bytes(), man.read_bytes()
    woman.write_bytes(man_bytes)
    man.write_bytes(woman_bytes)


@pytest.mark.parametrize('change', [remove_an_image, change_an_image, exchange_labels])
def test_run_is_not_continued_with_other_data(
    tmp_path: Path, data: Path, change: Callable[[Path], None]
) -> None:
    """Its epochs would have other faces, or begin at 0 again; nothing in the folder changes."""
    own = copy_of(data, tmp_path)
    run_training(tmp_path, [own], 1)
    log = (tmp_path / 'run' / 'log.csv').read_text()
    change(own)
    with pytest.raises(ValueError, match='different data'):
        run_training(tmp_path, [own], 1, resume=True)
    assert (tmp_path / 'run' / 'log.csv').read_text() == log


@pytest.mark.parametrize('record', [None, '', '{"recipe"', '[]', 'null'])
def test_run_with_a_damaged_record_is_not_continued(tmp_path: Path, record: str | None) -> None:
    """It is missing, cut, or no object; the message names the file."""
    (tmp_path / CHECKPOINT).touch()
    if record is not None:
        (tmp_path / RUN).write_text(record)
    with pytest.raises(DamagedRunError) as caught:
        check_output(tmp_path, {'recipe': {}}, resume=True)
    assert caught.value.path == tmp_path / RUN


def test_data_may_be_moved_before_a_run_is_continued(tmp_path: Path, data: Path) -> None:
    """The faces are the same."""
    run_training(tmp_path, [data], 1)
    assert run_training(tmp_path, [copy_of(data, tmp_path)], 1, resume=True).is_file()


def broken_network(recipe: Recipe) -> keras.Model:
    """Return a network with a weight that is not a number."""
    network = build_network(read_network(recipe.network), (32, 32, 1), {'gender': 2})
    layer = network.get_layer('gender.maps')
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel, np.full_like(bias, np.nan)])
    return network


def test_diverged_training_writes_no_model(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It stops at the first step without a finite loss, and the exit code is 1."""
    recipe = write_recipe(tmp_path, RECIPE, 2)
    broken, output = tmp_path / 'broken', tmp_path / 'run'
    broken.mkdir()
    broken_network(read_recipe(recipe)).save(broken / 'checkpoint.keras')
    options = ['--data', str(data), '--output', str(output), '--init-from', str(broken)]
    assert main(['train', str(recipe), *options]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not list(output.glob('*.onnx'))
    assert not (output / 'checkpoint.keras').exists()


def test_weights_that_are_not_finite_are_not_exported(tmp_path: Path, data: Path) -> None:
    """The message names the layer."""
    recipe = read_recipe(write_recipe(tmp_path, RECIPE, 1))
    training, validation = read_splits(recipe, [data])
    path = tmp_path / 'model.onnx'
    with pytest.raises(FloatingPointError, match=r'gender\.maps'):
        export_classifier(broken_network(recipe), recipe, training, validation, path)
    assert not path.exists()


@pytest.mark.parametrize(
    ('more', 'known'),
    [
        ('sampling: {{utkfaces: 2}}', 'label_folders'),
        ('balance_by: [label, rase]', 'label'),
        ('teachers: [{{model: gender_mini_xception, data: [utkfaces]}}]', 'label_folders'),
    ],
)
def test_unknown_name_in_a_recipe_is_refused(
    tmp_path: Path, data: Path, more: str, known: str
) -> None:
    """It would have no effect; the known names are listed."""
    with pytest.raises(ValueError, match=rf'(utkfaces|rase).* {known}'):
        run_training(tmp_path, [data], 1, f'{RECIPE}{more}\n')


def test_data_set_that_the_recipe_does_not_know_is_named_before_reading(tmp_path: Path) -> None:
    """A misspelled name would count for nothing; reading would fail at a damaged image."""
    for split in ('train', 'val'):
        write_fairface(tmp_path, split, [('3-9', 'Male', 'White'), ('20-29', 'Female', 'White')])
    (tmp_path / 'train' / '1.jpg').write_bytes(b'')
    recipe = Recipe(attributes=('gender',), network='x')
    with pytest.raises(ValueError, match=r'1\.jpg'):
        read_splits(recipe, [tmp_path])
    with pytest.raises(ValueError, match="'fairfaces' is none of the data sets fairface; add"):
        read_splits(recipe.model_copy(update={'sampling': {'fairfaces': 2}}), [tmp_path])


def test_attribute_without_data_is_named(tmp_path: Path, data: Path) -> None:
    """A recipe for two attributes needs data of both."""
    with pytest.raises(ValueError, match='emotion'):
        run_training(tmp_path, [data], 1, EVERYTHING)


def test_data_sets_are_read_together(tmp_path: Path) -> None:
    """Each provides its attributes, and no validation image of any of them is trained on.

    FairFace's first training face is RAF-DB's validation face.
    """
    for split in ('train', 'val'):
        write_fairface(
            tmp_path / 'fairface',
            split,
            [('3-9', 'Male', 'White'), ('20-29', 'Female', 'Black'), ('30-39', 'Male', 'Black')],
        )
    for number, value in ((1, 101), (2, 102), (3, 103)):
        write_image(tmp_path / 'fairface' / 'val' / f'{number}.jpg', value)
    write_rafdb(
        tmp_path / 'rafdb', {'train_1': ('1', 10), 'train_2': ('4', 201), 'train_3': ('5', 202)}
    )
    parts = {1: 'val', 2: 'train', 3: 'train'}
    write_boxes(
        tmp_path / 'rafdb',
        {f'train_{n}_aligned.jpg': (0, 0, 20, 20, 1, part) for n, part in parts.items()},
    )
    recipe = Recipe(attributes=('emotion', 'gender', 'age'), network='x')
    training, validation = read_splits(recipe, [tmp_path / 'fairface', tmp_path / 'rafdb'])
    assert [(each.source, each.attribute, len(each)) for each in training] == [
        ('fairface', 'gender', 2),
        ('fairface', 'age', 2),
        ('rafdb', 'emotion', 2),
    ]
    assert [len(each) for each in validation] == [3, 3, 1]


def test_data_set_of_one_label_is_refused(tmp_path: Path) -> None:
    """The message names the folder, the label and what to do."""
    write_fairface(tmp_path, 'train', [('3-9', 'Male', 'White'), ('20-29', 'Male', 'White')])
    write_fairface(tmp_path, 'val', [('3-9', 'Male', 'White')])
    write_image(tmp_path / 'val' / '1.jpg', 99)
    with pytest.raises(
        ValueError, match=r"all 2 training faces are labeled 'man', expected at least .*correct"
    ) as error:
        read_splits(Recipe(attributes=('gender',), network='x'), [tmp_path])
    assert str(tmp_path) in str(error.value)
