"""Reading of recipes with several stages."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip('pydantic', reason='needs the extra [train]')

from face_classification_ros.training.stages import read_stages, Stage

RECIPE = """
attributes: [emotion]
network: mini_xception
epochs: 3
augmentation: {mirror: true, blur: 0.1}
stages:
  - {name: large, network: sequential_fully_cnn, augmentation: {blur: 0.0}}
  - {name: student, teachers: [{model: large, weight: 0.9}]}
  - {name: finish, init_from: student, epochs: 1, flip_tta: true}
"""


def read(folder: Path, text: str) -> list[Stage]:
    """Read a recipe with this text."""
    (folder / 'recipe.yaml').write_text(text)
    return read_stages(folder / 'recipe.yaml')


def test_stages_share_what_they_do_not_set(tmp_path: Path) -> None:
    """Also single fields of the augmentation; a teacher or a start is named after its stage."""
    large, student, finish = read(tmp_path, RECIPE)
    assert [each.name for each in (large, student, finish)] == ['large', 'student', 'finish']
    recipes = [each.recipe for each in (large, student, finish)]
    networks = ['sequential_fully_cnn', 'mini_xception', 'mini_xception']
    assert [each.network for each in recipes] == networks
    assert [each.epochs for each in recipes] == [3, 3, 1]
    assert [each.flip_tta for each in recipes] == [False, False, True]
    assert [each.augmentation.blur for each in recipes] == [0.0, 0.1, 0.1]
    assert all(each.augmentation.mirror for each in recipes)
    assert [each.model for each in student.recipe.teachers] == ['large']
    assert [each.init_from for each in (large, student, finish)] == [None, None, 'student']


def test_recipe_without_stages_is_one(tmp_path: Path) -> None:
    """Without a name, and so without a folder of its own."""
    (stage,) = read(tmp_path, 'attributes: [emotion]\nnetwork: mini_xception\nepochs: 3\n')
    assert stage.name == ''
    assert stage.recipe.epochs == 3


@pytest.mark.parametrize(
    ('old', 'new', 'place'),
    [
        ('epochs: 1,', 'epochs: 0,', 'stages.2.epochs'),
        ('epochs: 1,', 'epoch: 1,', 'stages.2.epoch'),
        ('name: student, ', '', 'stages.1.name'),
        ('name: student', 'name: ../student', 'stages.1.name'),
        ('name: student', 'name: large', 'stages.1.name'),
        ('weight: 0.9', 'weight: 9', 'stages.1.teachers.0.weight'),
        ('blur: 0.0', 'blur: 2', 'stages.0.augmentation.blur'),
        ('stages:', 'stages: []\nother:', 'stages'),
    ],
)
def test_error_names_the_field_and_its_stage(
    tmp_path: Path, old: str, new: str, place: str
) -> None:
    """In one line, with the file."""
    assert old in RECIPE
    with pytest.raises(ValueError, match=rf'recipe\.yaml: {place}: ') as caught:
        read(tmp_path, RECIPE.replace(old, new))
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        ('sequential_fully_cnn', 'sequential'),
        ('model: large', 'model: larger'),
        ('model: large', 'model: finish'),
        ('init_from: student', 'init_from: pupil'),
        ('init_from: student', 'init_from: ../student.onnx'),
    ],
)
def test_unknown_network_or_model_is_reported_before_the_first_stage(
    tmp_path: Path, old: str, new: str
) -> None:
    """A stage knows only the stages before it."""
    with pytest.raises((ValueError, OSError)):
        read(tmp_path, RECIPE.replace(old, new))
