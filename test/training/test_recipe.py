"""A recipe is checked before hours of training depend on it."""

from pathlib import Path

import pytest

pytest.importorskip('pydantic', reason='needs the extra [train]')

from face_classification_ros.training.recipe import read_recipe

RECIPES = Path(__file__).resolve().parents[2] / 'config' / 'training'


@pytest.mark.parametrize('path', sorted(RECIPES.glob('*.yaml')), ids=lambda path: path.stem)
def test_shipped_recipes_are_valid(path: Path) -> None:
    """Each recipe in config/training can be read."""
    assert read_recipe(path).network


@pytest.mark.parametrize(
    ('text', 'complaint'),
    [
        (
            'attribute: gender\nnetwork: x\nepochs: 0',
            'epochs: .*greater than or equal to 1, not 0',
        ),
        ('attribute: age\nnetwork: x', "attribute: .*'gender' or 'emotion'"),
        ('attribute: gender\nnetwork: x\nlearning_rte: 1', 'learning_rte: Extra'),
        ('attribute: gender\nnetwork: x\naugmentation: {shift: 9}', 'augmentation.shift: '),
        ('attribute: gender', 'network: Field required'),
        ('- a list', 'the file: '),
        ('{', 'is not YAML'),
    ],
)
def test_a_wrong_recipe_is_refused_in_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    """The line names the file, the field and what was expected."""
    path = tmp_path / 'wrong.yaml'
    path.write_text(text)
    with pytest.raises(ValueError, match=rf'wrong\.yaml.*{complaint}'):
        read_recipe(path)
