"""A recipe is checked before hours of training depend on it."""

from pathlib import Path
import re

import pytest

pytest.importorskip('pydantic', reason='needs the extra [train]')

from face_classification_ros.inference.model_zoo import model_path, models_folder
from face_classification_ros.networks.description import read_network
from face_classification_ros.training.detector_recipe import read_detector_recipe
from face_classification_ros.training.follow_recipe import read_follow_recipe
from face_classification_ros.training.recipe import read_recipe, Recipe, task_of
from face_classification_ros.training.scene_augmentation import SceneAugmentation
from face_classification_ros.training.stages import read_stages

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / 'config' / 'training').glob('*.yaml'))
EXPERIMENTS = sorted((ROOT / 'experiments' / 'recipes').glob('*.yaml'))
GOOD = 'attributes: [mood]\nnetwork: x\n'


@pytest.mark.parametrize('path', [*SHIPPED, *EXPERIMENTS], ids=lambda path: path.stem)
def test_recipes_of_the_repository_are_valid(path: Path) -> None:
    """Each recipe can be read, and so can its network; its head has a model."""
    if task_of(path) == 'face_following':
        assert Path(model_path(read_follow_recipe(path).model)).is_file()
        return
    if task_of(path) == 'face_detection':
        networks = [read_detector_recipe(path).network]
    else:
        networks = [stage.recipe.network for stage in read_stages(path)]
    assert all(read_network(each).blocks for each in networks)


@pytest.mark.parametrize('attribute', ['emotion', 'gender'])
def test_teacher_of_stages_is_trained_as_the_shipped_network(attribute: str) -> None:
    """One command trains it with its student, another one alone; the results are the same."""
    folder = ROOT / 'config' / 'training'
    alone = read_stages(folder / f'{attribute}_sequential_fully_cnn.yaml')
    staged = read_stages(folder / f'{attribute}_mini_xception.yaml')[: len(alone)]
    assert [stage.recipe for stage in staged] == [stage.recipe for stage in alone]
    assert staged[-1].name == 'teacher'


def test_every_shipped_model_has_a_recipe() -> None:
    """Recipes of networks and model files have the same names."""
    assert {path.stem for path in models_folder().glob('*.onnx')} == {
        path.stem for path in SHIPPED if task_of(path) != 'face_following'
    }


@pytest.mark.parametrize(
    ('text', 'field'),
    [
        (f'{GOOD}epochs: 0', 'epochs'),
        (f'{GOOD}learning_rte: 1', 'learning_rte'),
        (f'{GOOD}augmentation: {{shift: 9}}', 'augmentation.shift'),
        (f'{GOOD}unknown_thresholds: {{mood: 2}}', 'unknown_thresholds.mood'),
        ('attributes: [Mood]\nnetwork: x', 'attributes.0'),
        ('attributes: [mood]', 'network'),
        ('- a list', 'the file'),
    ],
)
def test_invalid_field_is_named(tmp_path: Path, text: str, field: str) -> None:
    """The message contains the file and the field."""
    path = tmp_path / 'wrong.yaml'
    path.write_text(text)
    with pytest.raises(ValueError, match=rf'wrong\.yaml: {field}: '):
        read_recipe(path)


@pytest.mark.parametrize(
    ('text', 'known'),
    [
        (f'{GOOD}epoch: 9', ['epochs', 'batch_size', 'teachers']),
        (f'{GOOD}augmentation: {{blurr: 1}}', ['blur', 'contrast', 'glasses']),
        (f'{GOOD}teachers: [{{model: x}}, {{model: y, wait: 1}}]', ['weight', 'temperature']),
    ],
)
def test_known_fields_are_listed(tmp_path: Path, text: str, known: list[str]) -> None:
    """Those of the same place in the recipe."""
    path = tmp_path / 'wrong.yaml'
    path.write_text(text)
    with pytest.raises(ValueError, match='unknown') as error:
        read_recipe(path)
    listed = str(error.value).split('expected one of ')[1].split(', ')
    assert set(known) <= set(listed)


def test_known_fields_of_a_detector_are_listed(tmp_path: Path) -> None:
    """Its recipe has other ones."""
    path = tmp_path / 'wrong.yaml'
    path.write_text('task: face_detection\nnetwork: x\naugmentation: {sceen: 1}')
    with pytest.raises(ValueError, match='unknown') as error:
        read_detector_recipe(path)
    assert set(SceneAugmentation.model_fields) <= set(re.split('[ ,]+', str(error.value)))


@pytest.mark.parametrize(
    'text',
    [
        '{',
        f'{GOOD}size: 32\ninitial_size: 48',
        f'{GOOD}unknown_thresholds: {{age: 0.5}}',
        'attributes: [mood, mood]\nnetwork: x',
        'attributes: [mood]\nnetwork: ../x.yaml',
    ],
)
def test_inconsistent_recipe_is_refused(tmp_path: Path, text: str) -> None:
    """Fields that contradict each other, files elsewhere, and files that are not YAML."""
    path = tmp_path / 'wrong.yaml'
    path.write_text(text)
    with pytest.raises(ValueError, match=r'wrong\.yaml'):
        read_recipe(path)


def test_thresholds_default_to_a_half() -> None:
    """A recipe may set the threshold of some of its attributes."""
    recipe = Recipe(attributes=('mood', 'age'), network='x', unknown_thresholds={'age': 0.3})
    assert recipe.thresholds == {'mood': 0.5, 'age': 0.3}


def test_faces_grow_in_the_middle_third_of_the_epochs() -> None:
    """Progressive resizing has steps of 8 pixels and ends at the full size."""
    recipe = Recipe(attributes=('mood',), network='x', initial_size=32, size=48, epochs=30)
    sizes = [recipe.size_in(epoch) for epoch in range(30)]
    assert sizes == sorted(sizes)
    assert set(sizes) == {32, 40, 48}
    assert sizes[0] == 32 and sizes[20:] == [48] * 10


def test_without_initial_size_all_epochs_have_the_full_size() -> None:
    """No progressive resizing by default."""
    recipe = Recipe(attributes=('mood',), network='x', size=48, epochs=3)
    assert [recipe.size_in(epoch) for epoch in range(3)] == [48, 48, 48]


def test_files_are_relative_to_the_recipe(tmp_path: Path) -> None:
    """A recipe can be used from any folder; names of shipped models are no files."""
    path = tmp_path / 'recipe.yaml'
    path.write_text(
        'attributes: [gender]\nnetwork: nets/tiny.yaml\n'
        'teachers: [{model: big.onnx}, {model: gender_mini_xception}]'
    )
    recipe = read_recipe(path)
    assert recipe.network == str(tmp_path / 'nets' / 'tiny.yaml')
    assert [teacher.model for teacher in recipe.teachers] == [
        str(tmp_path / 'big.onnx'),
        'gender_mini_xception',
    ]
