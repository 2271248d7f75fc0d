"""A recipe is checked before hours of training depend on it."""

from pathlib import Path

import pytest

pytest.importorskip('pydantic', reason='needs the extra [train]')

from face_classification_ros.networks.description import read_network
from face_classification_ros.training.recipe import read_recipe, Recipe

RECIPES = Path(__file__).resolve().parents[2] / 'config' / 'training'


@pytest.mark.parametrize('path', sorted(RECIPES.glob('*.yaml')), ids=lambda path: path.stem)
def test_shipped_recipes_are_valid(path: Path) -> None:
    """Each recipe in config/training can be read, and so can the network that it names."""
    assert read_network(read_recipe(path).network).blocks


@pytest.mark.parametrize(
    ('text', 'problem'),
    [
        (
            'attributes: [gender]\nnetwork: x\nepochs: 0',
            'epochs: .*greater than or equal to 1, not 0',
        ),
        ('attributes: [age]\nnetwork: x', "attributes.0: .*'gender' or 'emotion'"),
        ('attributes: [gender]\nnetwork: x\nlearning_rte: 1', 'learning_rte: Extra'),
        ('attributes: [gender]\nnetwork: x\naugmentation: {shift: 9}', 'augmentation.shift: '),
        ('attributes: [gender]', 'network: Field required'),
        ('- a list', 'the file: '),
        ('{', 'is not YAML'),
    ],
)
def test_a_wrong_recipe_is_refused_in_one_line(tmp_path: Path, text: str, problem: str) -> None:
    """The line names the file, the field and what was expected."""
    path = tmp_path / 'wrong.yaml'
    path.write_text(text)
    with pytest.raises(ValueError, match=rf'wrong\.yaml.*{problem}'):
        read_recipe(path)


def test_faces_grow_in_the_middle_third_of_the_epochs() -> None:
    """Progressive resizing starts small, grows in steps of 8 pixels and ends at the full side."""
    recipe = Recipe(attributes=('gender',), network='x', initial_size=32, side=48, epochs=30)
    sides = [recipe.side_in(epoch) for epoch in range(30)]
    assert sides == sorted(sides)
    assert set(sides) == {32, 40, 48}
    assert sides[0] == 32 and sides[20:] == [48] * 10


def test_without_a_first_side_all_epochs_show_the_same() -> None:
    """Faces have their full side from the first epoch on."""
    recipe = Recipe(attributes=('gender',), network='x', side=48, epochs=3)
    assert [recipe.side_in(epoch) for epoch in range(3)] == [48, 48, 48]


def test_files_lie_relative_to_the_recipe(tmp_path: Path) -> None:
    """A recipe may be used from any folder; the names of what is shipped stay names."""
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
