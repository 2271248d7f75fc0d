"""SCUT-FBP5500 is read as published."""

from pathlib import Path

from dataset_layouts import write_boxes, write_scut
import pytest

from face_classification_ros.datasets.registry import attributes_in, GENDERS, read_dataset


def test_gender_and_race_are_in_the_name(tmp_path: Path) -> None:
    """AF, AM, CF and CM: Asian or Caucasian, female or male."""
    names = ['AF1.jpg', 'AM1.jpg', 'CF10.jpg', 'CM2.jpg']
    write_scut(tmp_path, names)
    write_boxes(tmp_path, dict.fromkeys(names, (4, 4, 9, 12, 0.9, 'train')))
    training = read_dataset('gender', tmp_path, 'train')
    assert attributes_in(tmp_path) == ['gender']
    assert [GENDERS[index] for index in training.y_true] == ['woman', 'man', 'woman', 'man']
    assert list(training.groups['race']) == ['asian', 'asian', 'white', 'white']
    assert training.face_boxes()[0].height == 12


def test_a_name_of_another_form_is_refused(tmp_path: Path) -> None:
    """An image whose name has no gender would silently be left out."""
    write_scut(tmp_path, ['AF1.jpg', 'fty1.jpg'])
    with pytest.raises(ValueError, match=r'fty1\.jpg: expected a name .*AF, AM, CF or CM.*rename'):
        read_dataset('gender', tmp_path, 'train')
