"""Data sets are read in the forms in which they are published."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from face_classification_ros.training.datasets import EMOTIONS, GENDERS, read_dataset

VOTE_COLUMNS = 'neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF'


def write_fer2013(folder: Path, rows: Sequence[tuple[int, int, str, str]]) -> None:
    """Write rows of emotion, one grey value per face, usage and FER+ votes."""
    with open(folder / 'fer2013.csv', 'w') as faces, open(folder / 'fer2013new.csv', 'w') as votes:
        faces.write('emotion,pixels,Usage\n')
        votes.write(f'Usage,Image name,{VOTE_COLUMNS}\n')
        for number, (emotion, value, usage, vote) in enumerate(rows):
            pixels = [value] * (48 * 48 - 1) + [0]
            faces.write(f'{emotion},{" ".join(map(str, pixels))},{usage}\n')
            votes.write(f'{usage},fer{number:07d}.png,{vote}\n')


def write_picture(path: Path, value: int) -> None:
    """Write a picture of one colour: blue is twice as bright as red."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((20, 20, 3), (value, value // 2, value // 2), np.uint8)
    assert cv2.imwrite(str(path), image)


def test_fer2013_splits_go_by_usage(tmp_path: Path) -> None:
    """The validation split is PublicTest, the one to learn from Training."""
    write_fer2013(
        tmp_path,
        [
            (3, 90, 'Training', '0,9,0,0,0,0,0,0,0,0'),
            (6, 80, 'PublicTest', '9,0,0,0,0,0,0,0,0,0'),
        ],
    )
    validation = read_dataset('emotion', tmp_path, 'val')
    assert [EMOTIONS[index] for index in validation.truth] == ['neutral']
    assert validation.images[0].shape == (48, 48, 1)
    assert validation.images[0][0, 0, 0] == 80


def test_ferplus_votes_soften_the_targets(tmp_path: Path) -> None:
    """A face called angry by the set and sad by half of the voters is a bit of both."""
    write_fer2013(tmp_path, [(0, 90, 'Training', '0,0,0,5,5,0,0,0,0,0')])
    training = read_dataset('emotion', tmp_path, 'train', vote_share=0.5)
    expected = dict.fromkeys(EMOTIONS, 0.0) | {'angry': 0.75, 'sad': 0.25}
    np.testing.assert_allclose(training.targets[0], list(expected.values()))


def test_a_face_that_voters_call_none_is_not_learnt_from(tmp_path: Path) -> None:
    """FER-2013 holds pictures without a face; the votes tell."""
    write_fer2013(
        tmp_path,
        [
            (0, 90, 'Training', '0,0,0,0,1,0,0,0,0,9'),
            (0, 91, 'Training', '0,0,0,0,9,0,0,0,0,1'),
        ],
    )
    assert len(read_dataset('emotion', tmp_path, 'train', vote_share=0.5)) == 1


def test_votes_of_another_set_are_refused(tmp_path: Path) -> None:
    """Votes belong to rows by their order, so the number of rows has to agree."""
    write_fer2013(tmp_path, [(0, 90, 'Training', '0,0,0,0,9,0,0,0,0,0')])
    (tmp_path / 'fer2013new.csv').write_text(f'Usage,Image name,{VOTE_COLUMNS}\n')
    with pytest.raises(ValueError, match=r'0 rows, fer2013\.csv 1'):
        read_dataset('emotion', tmp_path, 'train', vote_share=0.5)


def test_pictures_that_are_measured_on_are_not_learnt_from(tmp_path: Path) -> None:
    """A copy of a validation picture is taken out of training."""
    vote = '9,0,0,0,0,0,0,0,0,0'
    write_fer2013(
        tmp_path,
        [(6, 80, 'Training', vote), (6, 81, 'Training', vote), (6, 80, 'PublicTest', vote)],
    )
    training = read_dataset('emotion', tmp_path, 'train')
    left = training.without_pictures_of(read_dataset('emotion', tmp_path, 'val'))
    assert [int(image[0, 0, 0]) for image in left.images] == [81]


def test_utkface_codes_men_as_0_and_women_as_1(tmp_path: Path) -> None:
    """The opposite of IMDB-WIKI's code, and of the order of our labels."""
    write_picture(tmp_path / '30_0_1_20170109.jpg.chip.jpg', 100)
    write_picture(tmp_path / '40_1_2_20170109.jpg.chip.jpg', 200)
    (tmp_path / 'split.csv').write_text(
        'file,split\n30_0_1_20170109.jpg.chip.jpg,val\n40_1_2_20170109.jpg.chip.jpg,val\n'
    )
    dataset = read_dataset('gender', tmp_path, 'val')
    assert [GENDERS[index] for index in dataset.truth] == ['man', 'woman']
    assert list(dataset.groups['race']) == ['black', 'asian']
    assert list(dataset.groups['age']) == [30, 40]


def test_the_box_of_a_utkface_picture_is_where_a_detector_finds_it(tmp_path: Path) -> None:
    """Its centre is above the picture's, as detectors leave the chin's surroundings out."""
    write_picture(tmp_path / '30_0_1_2017.jpg', 100)
    (tmp_path / 'split.csv').write_text('file,split\n30_0_1_2017.jpg,val\n')
    dataset = read_dataset('gender', tmp_path, 'val')
    box = dataset.box_of(dataset.images[0])
    assert (box.x, box.y) == pytest.approx((-0.8, -2.2))
    assert (box.width, box.height) == pytest.approx((21.2, 21.2))


def test_small_children_of_utkface_are_left_out(tmp_path: Path) -> None:
    """Their gender labels are unreliable; `min_age` says from when on they count."""
    for age in (3, 13, 50):
        write_picture(tmp_path / f'{age}_0_0_2017.jpg', 100)
    (tmp_path / 'split.csv').write_text(
        'file,split\n3_0_0_2017.jpg,train\n13_0_0_2017.jpg,train\n50_0_0_2017.jpg,train\n'
    )
    assert len(read_dataset('gender', tmp_path, 'train')) == 2
    assert len(read_dataset('gender', tmp_path, 'train', min_age=0)) == 3


def test_without_a_split_table_each_face_is_in_one_split(tmp_path: Path) -> None:
    """Splits are told by the name, the same on every machine, and do not overlap."""
    for number in range(200):
        write_picture(tmp_path / f'30_1_0_{number:09d}.jpg', 100)
    sizes = [len(read_dataset('gender', tmp_path, split)) for split in ('train', 'val', 'test')]
    assert sum(sizes) == 200
    assert sizes[0] > 140


def test_a_folder_per_label_is_a_data_set(tmp_path: Path) -> None:
    """Own pictures need no more than folders named like the labels."""
    for split in ('train', 'val'):
        write_picture(tmp_path / split / 'woman' / 'a.png', 200)
        write_picture(tmp_path / split / 'man' / 'b.png', 100)
    dataset = read_dataset('gender', tmp_path, 'val')
    assert [GENDERS[index] for index in dataset.truth] == ['woman', 'man']
    assert dataset.images[0][0, 0].tolist() == [200, 100, 100]


def test_a_folder_without_known_data_is_refused(tmp_path: Path) -> None:
    """The line says what was expected there."""
    with pytest.raises(ValueError, match='holds no emotion data of a known form: expected fer'):
        read_dataset('emotion', tmp_path, 'val')
