"""What a reader leaves out of a data set is counted and named."""

from collections.abc import Callable
from pathlib import Path

import cv2
from dataset_layouts import write_boxes, write_image, write_scut
import numpy as np
import pytest

from face_classification_ros.commands.main import main
from face_classification_ros.datasets.image_files import OmissionWarning
from face_classification_ros.datasets.registry import EMOTIONS, read_dataset

UTKFACE = '30_0_1_20170112213500903.jpg'


def write_emotions(folder: Path) -> None:
    """Write a face of each emotion, as training data."""
    for value, label in enumerate(EMOTIONS):
        write_image(folder / 'train' / label / 'a.png', value)


def with_contempt(folder: Path) -> list[str]:
    """Write a label that the emotions do not have."""
    write_image(folder / 'train' / 'contempt' / 'b.png', 9)
    return ['b.png']


def with_other_split(folder: Path) -> list[str]:
    """Write a folder that is no split."""
    write_image(folder / 'holdout' / 'happy' / 'b.png', 9)
    return ['b.png']


def with_files_of_other_kinds(folder: Path) -> list[str]:
    """Write a video and a text among the images; hidden files do not count."""
    for name in ('b.mp4', 'c.txt', '.DS_Store'):
        (folder / 'train' / 'happy' / name).write_bytes(b'')
    return ['b.mp4', 'c.txt']


@pytest.mark.parametrize('add', [with_contempt, with_other_split, with_files_of_other_kinds])
def test_images_outside_of_the_folders_of_labels_are_named(
    tmp_path: Path, add: Callable[[Path], list[str]]
) -> None:
    """And files in them that are no images."""
    write_emotions(tmp_path)
    names = add(tmp_path)
    with pytest.warns(OmissionWarning) as issued:
        dataset = read_dataset('emotion', tmp_path, 'all')
    (warning,) = issued
    assert len(dataset) == len(EMOTIONS)
    assert f' {len(names)} ' in str(warning.message)
    assert all(name in str(warning.message) for name in names)


def test_folders_of_another_attribute_are_no_omission(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    """One folder may have the images of several attributes."""
    write_emotions(tmp_path)
    write_image(tmp_path / 'train' / 'woman' / 'a.png', 9)
    assert len(read_dataset('emotion', tmp_path, 'all')) == len(EMOTIONS)
    assert not recwarn.list


@pytest.mark.parametrize('suffix', ['.jfif', '.pgm', '.JPG', '.jpe'])
def test_images_of_all_formats_are_read(tmp_path: Path, suffix: str) -> None:
    """Those that the command `classify` reads, too."""
    for label in ('happy', 'sad'):
        path = tmp_path / 'train' / label / f'a{suffix}'
        path.parent.mkdir(parents=True)
        done, content = cv2.imencode('.png', np.zeros((20, 20), np.uint8))
        assert done
        path.write_bytes(content.tobytes())
    assert len(read_dataset('emotion', tmp_path, 'all')) == 2


def test_all_images_of_a_person_are_in_one_split(tmp_path: Path) -> None:
    """A label's folder may have a folder per person."""
    people = [f'person{number}' for number in range(40)]
    for number, person in enumerate(people):
        for label in ('woman', 'man'):
            for name in ('a.png', 'b.png'):
                write_image(tmp_path / label / person / name, number)
    found = {
        split: [Path(file).parent.name for file in read_dataset('gender', tmp_path, split).files]
        for split in ('val', 'test', 'all')
    }
    assert sorted(found['all']) == sorted(4 * people)
    for split in ('val', 'test'):
        assert all(found[split].count(person) == 4 for person in found[split])
    assert not set(found['val']) & set(found['test'])


@pytest.mark.parametrize(
    'name', ['39_1_20170116174525125.jpg.chip.jpg', '30_3_1_20170112213500903.jpg', 'me.png']
)
def test_utkface_name_without_labels_is_named(tmp_path: Path, name: str) -> None:
    """Some of the published names lack the race; another code may be the gender or the race."""
    write_image(tmp_path / UTKFACE, 10, gray=False)
    write_image(tmp_path / name, 20, gray=False)
    with pytest.warns(OmissionWarning, match=name):
        assert len(read_dataset('age', tmp_path, 'all')) == 1


@pytest.mark.parametrize(
    'name', ['55_0_0_20170116232725357jpg.chip.jpg', '55_0_0_20170116232725357.jpg.chip.jpg']
)
def test_utkface_name_with_two_suffixes_is_read(tmp_path: Path, name: str) -> None:
    """As in the aligned images; some of the published names lack the first dot."""
    write_image(tmp_path / name, 10, gray=False)
    assert read_dataset('age', tmp_path, 'all').groups['age'].tolist() == [55]


def test_image_without_a_row_in_the_splits_is_named(tmp_path: Path) -> None:
    """The table has splits for the others."""
    write_image(tmp_path / UTKFACE, 10, gray=False)
    write_image(tmp_path / f'1{UTKFACE}', 20, gray=False)
    (tmp_path / 'split.csv').write_text(f'file,split\n{UTKFACE},train\n')
    with pytest.warns(OmissionWarning, match=f'1{UTKFACE}'):
        assert len(read_dataset('age', tmp_path, 'all')) == 1


@pytest.mark.parametrize('word', ['Train', 'validation', ''])
def test_unknown_split_in_a_table_is_refused(tmp_path: Path, word: str) -> None:
    """Its faces would be in no split."""
    write_image(tmp_path / UTKFACE, 10, gray=False)
    (tmp_path / 'split.csv').write_text(f'file,split\nx.jpg,val\n{UTKFACE},{word}\n')
    with pytest.raises(ValueError, match=rf"split\.csv, line 3: .*'{word}'.*train, val, test"):
        read_dataset('age', tmp_path, 'train')


def test_unknown_split_of_a_detected_box_is_refused(tmp_path: Path) -> None:
    """The table of boxes may have splits, too."""
    write_scut(tmp_path, ['AF1.jpg', 'AM2.jpg'])
    write_boxes(tmp_path, {'AF1.jpg': (4, 4, 9, 12, 0.9, 'training')})
    with pytest.raises(ValueError, match=r"boxes\.csv, line 2: .*'training'"):
        read_dataset('gender', tmp_path, 'train')


def test_command_prints_omissions_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr; they do not change the exit code."""
    write_emotions(tmp_path)
    with_contempt(tmp_path)
    arguments = ['--data', str(tmp_path), '--split', 'train', '--output', str(tmp_path / 'out')]
    assert main(['explain', *arguments, '--attribute', 'emotion', '--faces', '1']) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('face_classification: ')
    assert 'b.png' in line
