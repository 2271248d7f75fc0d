"""Data sets are read in the forms in which they are published."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
import pytest

from face_classification_ros.datasets.registry import (
    attributes_in,
    EMOTIONS,
    FaceDataset,
    GENDERS,
    NoFacesError,
    read_dataset,
)

VOTE_COLUMNS = 'neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF'


def write_fer2013(folder: Path, rows: Sequence[tuple[int, int, str, str]]) -> None:
    """Write rows of emotion, one gray value per face, usage and FER+ votes."""
    with open(folder / 'fer2013.csv', 'w') as faces, open(folder / 'fer2013new.csv', 'w') as votes:
        faces.write('emotion,pixels,Usage\n')
        votes.write(f'Usage,Image name,{VOTE_COLUMNS}\n')
        for number, (emotion, value, usage, vote) in enumerate(rows):
            pixels = [value] * (48 * 48 - 1) + [0]
            faces.write(f'{emotion},{" ".join(map(str, pixels))},{usage}\n')
            votes.write(f'{usage},fer{number:07d}.png,{vote}\n')


def write_image(path: Path, value: int) -> None:
    """Write a picture of one color: blue is twice as bright as red."""
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
    assert [EMOTIONS[index] for index in validation.y_true] == ['neutral']
    assert validation.images[0].shape == (48, 48, 1)
    assert validation.images[0][0, 0, 0] == 80


def test_ferplus_votes_soften_the_targets(tmp_path: Path) -> None:
    """A face called angry by the set and sad by half of the voters is a bit of both."""
    write_fer2013(tmp_path, [(0, 90, 'Training', '0,0,0,5,5,0,0,0,0,0')])
    training = read_dataset('emotion', tmp_path, 'train', ferplus_weight=0.5)
    expected = dict.fromkeys(EMOTIONS, 0.0) | {'angry': 0.75, 'sad': 0.25}
    np.testing.assert_allclose(training.targets[0], list(expected.values()))


def test_a_face_that_voters_call_none_is_not_learned_from(tmp_path: Path) -> None:
    """FER-2013 holds pictures without a face; the votes tell."""
    write_fer2013(
        tmp_path,
        [
            (0, 90, 'Training', '0,0,0,0,1,0,0,0,0,9'),
            (0, 91, 'Training', '0,0,0,0,9,0,0,0,0,1'),
        ],
    )
    assert len(read_dataset('emotion', tmp_path, 'train', ferplus_weight=0.5)) == 1


def test_votes_of_another_set_are_refused(tmp_path: Path) -> None:
    """Votes belong to rows by their order, so the number of rows has to agree."""
    write_fer2013(tmp_path, [(0, 90, 'Training', '0,0,0,0,9,0,0,0,0,0')])
    (tmp_path / 'fer2013new.csv').write_text(f'Usage,Image name,{VOTE_COLUMNS}\n')
    with pytest.raises(ValueError, match=r'0 rows, fer2013\.csv 1'):
        read_dataset('emotion', tmp_path, 'train', ferplus_weight=0.5)


@pytest.mark.parametrize(
    ('old', 'new', 'expected'),
    [
        ('90 90 0,', '90 0,', r'fer2013\.csv, line 3: 2303 pixels, expected 48 x 48'),
        ('90 90 0,', '90 300 0,', r'fer2013\.csv, line 3: a pixel is no whole number from 0 to'),
        ('5,90', '7,90', r"fer2013\.csv, line 3: unknown emotion '7'; there are: 0 angry, 1 dis"),
        ('emotion,', 'label,', r"fer2013\.csv has no column 'emotion', but label, pixels, Usage"),
    ],
)
def test_a_damaged_table_is_refused_by_its_line(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    """Whoever mends a file of 35,888 lines is told which one to look at."""
    vote = '9,0,0,0,0,0,0,0,0,0'
    write_fer2013(tmp_path, [(3, 80, 'Training', vote), (5, 90, 'Training', vote)])
    table = tmp_path / 'fer2013.csv'
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(ValueError, match=expected):
        read_dataset('emotion', tmp_path, 'train')


def test_copies_with_contradicting_labels_are_learned_as_doubt(tmp_path: Path) -> None:
    """A picture that is called sad twice and fear once is one face, two thirds sad.

    What is measured on stays whole.
    """
    vote = '0,0,0,0,0,0,0,0,0,0'
    faces = [(4, 80), (4, 90), (2, 80), (4, 80)]
    write_fer2013(
        tmp_path, [(*face, usage, vote) for usage in ('Training', 'PublicTest') for face in faces]
    )
    training = read_dataset('emotion', tmp_path, 'train')
    assert [int(image[0, 0, 0]) for image in training.images] == [80, 90]
    assert training.y_true.tolist() == [4, 4]
    expected = np.zeros((2, 7))
    expected[0, [2, 4]] = 1 / 3, 2 / 3
    expected[1, 4] = 1
    np.testing.assert_allclose(training.targets, expected, rtol=1e-6)
    assert len(read_dataset('emotion', tmp_path, 'val')) == 4


def test_pictures_that_are_measured_on_are_not_learned_from(tmp_path: Path) -> None:
    """A copy of a validation picture is taken out of training."""
    vote = '9,0,0,0,0,0,0,0,0,0'
    write_fer2013(
        tmp_path,
        [(6, 80, 'Training', vote), (6, 81, 'Training', vote), (6, 80, 'PublicTest', vote)],
    )
    training = read_dataset('emotion', tmp_path, 'train')
    left = training.without_images_of(read_dataset('emotion', tmp_path, 'val'))
    assert [int(image[0, 0, 0]) for image in left.images] == [81]


def test_utkface_codes_men_as_0_and_women_as_1(tmp_path: Path) -> None:
    """The opposite of IMDB-WIKI's code, and of the order of our labels."""
    write_image(tmp_path / '30_0_1_20170109.jpg.chip.jpg', 100)
    write_image(tmp_path / '40_1_2_20170109.jpg.chip.jpg', 200)
    (tmp_path / 'split.csv').write_text(
        'file,split\n30_0_1_20170109.jpg.chip.jpg,val\n40_1_2_20170109.jpg.chip.jpg,val\n'
    )
    dataset = read_dataset('gender', tmp_path, 'val')
    assert [GENDERS[index] for index in dataset.y_true] == ['man', 'woman']
    assert list(dataset.groups['race']) == ['black', 'asian']
    assert list(dataset.groups['age']) == [30, 40]


def test_the_box_of_a_utkface_picture_is_where_a_detector_finds_it(tmp_path: Path) -> None:
    """Its center is above the picture's, as detectors leave the chin's surroundings out."""
    write_image(tmp_path / '30_0_1_2017.jpg', 100)
    (tmp_path / 'split.csv').write_text('file,split\n30_0_1_2017.jpg,val\n')
    dataset = read_dataset('gender', tmp_path, 'val')
    box = dataset.box_of(dataset.images[0])
    assert (box.x, box.y) == pytest.approx((-0.8, -2.2))
    assert (box.width, box.height) == pytest.approx((21.2, 21.2))


def test_small_children_of_utkface_are_left_out(tmp_path: Path) -> None:
    """Their gender labels are unreliable; `min_age` says from when on they count."""
    for age in (3, 13, 50):
        write_image(tmp_path / f'{age}_0_0_2017.jpg', 100 + age)
    (tmp_path / 'split.csv').write_text(
        'file,split\n3_0_0_2017.jpg,train\n13_0_0_2017.jpg,train\n50_0_0_2017.jpg,train\n'
    )
    assert len(read_dataset('gender', tmp_path, 'train')) == 2
    assert len(read_dataset('gender', tmp_path, 'train', min_age=0)) == 3


def test_without_a_split_table_each_face_is_in_one_split(tmp_path: Path) -> None:
    """Splits are told by the name, the same on every machine, and do not overlap."""
    random = np.random.default_rng(0)
    for number in range(200):
        picture = random.integers(0, 256, (20, 20, 3)).astype(np.uint8)
        assert cv2.imwrite(str(tmp_path / f'30_1_0_{number:09d}.jpg'), picture)
    sizes = [len(read_dataset('gender', tmp_path, split)) for split in ('train', 'val', 'test')]
    assert sum(sizes) == 200
    assert sizes[0] > 140


# Dates of birth as Matlab counts days: the first one is the middle of 1970.
BORN_1970 = 719_711.0
YEAR = 365.2425


def write_imdb_wiki(
    folder: Path, name: str, rows: Sequence[tuple[float, float, float, float, int]]
) -> None:
    """Write `imdb.mat` or `wiki.mat` and its pictures in the published structure.

    Rows are age in 2010, gender, face score, second face score and number of the person; row n
    has the picture `n % 100/n.jpg`, 90 x 90, with the gray value n.
    """
    scipy_io = pytest.importorskip('scipy.io', reason='needs the extra [train]')

    def cells(values: Sequence[object]) -> NDArray[np.object_]:
        column = np.empty((1, len(values)), object)
        for index, value in enumerate(values):
            column[0, index] = value
        return column

    numbers = range(len(rows))
    ages, genders, scores, second_scores, people = (
        np.array([column], np.float64) for column in zip(*rows, strict=True)
    )
    names = [f'Person {int(number)}' if number else np.zeros((0, 0)) for number in people[0]]
    table = {
        'dob': BORN_1970 + (40 - ages) * YEAR - 100,
        'photo_taken': np.full((1, len(rows)), 2010.0),
        'full_path': cells([f'{number % 100:02d}/{number}.jpg' for number in numbers]),
        'gender': genders,
        'name': cells(names),
        'face_location': cells([np.array([[10.0, 10.0, 60.0, 60.0]]) for _ in numbers]),
        'face_score': scores,
        'second_face_score': second_scores,
    }
    if name == 'imdb':
        table |= {'celeb_names': cells(['A', 'B']), 'celeb_id': people}
    folder.mkdir(exist_ok=True)
    scipy_io.savemat(str(folder / f'{name}.mat'), {name: table})
    for number in numbers:
        path = folder / f'{number % 100:02d}' / f'{number}.jpg'
        path.parent.mkdir(exist_ok=True)
        assert cv2.imwrite(str(path), np.full((90, 90, 3), number, np.uint8))


def read_all_splits(folder: Path) -> list[FaceDataset]:
    """Read the splits of a gender data set that are not empty."""
    parts = []
    for split in ('train', 'val', 'test'):
        try:
            parts.append(read_dataset('gender', folder, split))
        except NoFacesError:
            continue
    return parts


NAN = float('nan')
GOOD = (30, 1, 5.0, NAN)


@pytest.mark.parametrize('name', ['imdb', 'wiki'])
def test_imdb_wiki_codes_women_as_0_and_men_as_1(tmp_path: Path, name: str) -> None:
    """The opposite of UTKFace's code; ages are those in the year of the picture."""
    write_imdb_wiki(tmp_path, name, [(30, 1, 5, NAN, 1), (55, 0, 5, NAN, 1)])
    assert attributes_in(tmp_path) == ['gender']
    (dataset,) = read_all_splits(tmp_path)
    assert [GENDERS[index] for index in dataset.y_true] == ['man', 'woman']
    assert dataset.groups['age'].tolist() == [30, 55]
    assert dataset.targets.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ('row', 'why'),
    [
        ((30, 1, 2.5, NAN), 'the face was found with doubt'),
        ((30, 1, float('-inf'), NAN), 'no face was found'),
        ((30, 1, 5.0, 2.0), 'a second face was found, so that the label may be its'),
        ((30, NAN, 5.0, NAN), 'the gender is unknown'),
        ((12, 1, 5.0, NAN), 'the person is younger than min_age'),
        ((110, 1, 5.0, NAN), 'no such age: one of the dates is wrong'),
        ((-3, 1, 5.0, NAN), 'born after the picture was taken'),
    ],
)
def test_imdb_wiki_faces_that_cannot_be_trusted_are_left_out(
    tmp_path: Path, row: tuple[float, float, float, float], why: str
) -> None:
    """The data was collected from web pages without anybody looking at it."""
    write_imdb_wiki(tmp_path, 'imdb', [(*GOOD, 1), (*row, 1), (*GOOD, 1)])
    (dataset,) = read_all_splits(tmp_path)
    assert [int(image[0, 0, 0]) for image in dataset.images] == [0, 2], why


def test_imdb_wiki_pictures_that_are_missing_or_empty_are_passed_over(tmp_path: Path) -> None:
    """Some of the published pictures are of a single pixel, and nobody has to unpack all."""
    write_imdb_wiki(tmp_path, 'wiki', [(*GOOD, 1)] * 3)
    (tmp_path / '00' / '0.jpg').unlink()
    assert cv2.imwrite(str(tmp_path / '01' / '1.jpg'), np.zeros((1, 1, 3), np.uint8))
    (dataset,) = read_all_splits(tmp_path)
    assert [int(image[0, 0, 0]) for image in dataset.images] == [2]


@pytest.mark.parametrize('name', ['imdb', 'wiki'])
def test_nobody_of_imdb_wiki_is_in_two_splits(tmp_path: Path, name: str) -> None:
    """Who is learned from is not measured on: splits go by person, not by picture."""
    write_imdb_wiki(tmp_path, name, [(*GOOD, 1 + number % 60) for number in range(180)])
    people = [
        {round(float(image.mean())) % 60 for image in part.images}
        for part in read_all_splits(tmp_path)
    ]
    assert len(people) == 3
    assert sum(map(len, people)) == 60
    assert set.union(*people) == set(range(60))
    assert len(people[0]) > 40


def test_people_of_wiki_without_a_name_are_kept(tmp_path: Path) -> None:
    """Without a name the picture stands for the person."""
    write_imdb_wiki(tmp_path, 'wiki', [(*GOOD, 0)] * 5)
    assert sum(map(len, read_all_splits(tmp_path))) == 5


def test_large_pictures_of_imdb_wiki_are_scaled_down(tmp_path: Path) -> None:
    """Half a million faces in full size would not fit into memory; the face is the middle."""
    write_imdb_wiki(tmp_path, 'imdb', [(*GOOD, 1), (*GOOD, 1)])
    assert cv2.imwrite(str(tmp_path / '00' / '0.jpg'), np.zeros((900, 450, 3), np.uint8))
    (dataset,) = read_all_splits(tmp_path)
    large, small = (dataset.box_of(image) for image in dataset.images)
    assert (large.width, large.height) == pytest.approx((48, 96), abs=1)
    assert (small.x, small.y) == pytest.approx((20, 20))
    assert (small.width, small.height) == pytest.approx((50, 50))


def test_an_unreadable_picture_is_named(tmp_path: Path) -> None:
    """A broken download ends with the file to fetch again."""
    write_imdb_wiki(tmp_path, 'imdb', [(*GOOD, 1)])
    (tmp_path / '00' / '0.jpg').write_bytes(b'not a picture')
    with pytest.raises(ValueError, match=r'00/0\.jpg is not a readable picture'):
        read_all_splits(tmp_path)


def test_a_table_of_another_kind_is_refused(tmp_path: Path) -> None:
    """A file that only has the name says what it lacks."""
    scipy_io = pytest.importorskip('scipy.io', reason='needs the extra [train]')
    scipy_io.savemat(str(tmp_path / 'wiki.mat'), {'wiki': {'dob': np.zeros((1, 2))}})
    with pytest.raises(ValueError, match=r"wiki\.mat has no field 'photo_taken', but dob"):
        read_dataset('gender', tmp_path, 'train')
    header = b'MATLAB 7.3 MAT-file'.ljust(124) + b'\x00\x02IM'
    (tmp_path / 'wiki.mat').write_bytes(header.ljust(600))
    with pytest.raises(ValueError, match=r"wiki\.mat holds .* saved by Matlab as '-v7\.3'"):
        read_dataset('gender', tmp_path, 'train')
    (tmp_path / 'wiki.mat').write_bytes(b'no table at all')
    with pytest.raises(ValueError, match=r"wiki\.mat holds no struct 'wiki' as published"):
        read_dataset('gender', tmp_path, 'train')


def test_a_folder_per_label_is_a_data_set(tmp_path: Path) -> None:
    """Own pictures need no more than folders named like the labels."""
    for split in ('train', 'val'):
        write_image(tmp_path / split / 'woman' / 'a.png', 200)
        write_image(tmp_path / split / 'man' / 'b.png', 100)
    dataset = read_dataset('gender', tmp_path, 'val')
    assert [GENDERS[index] for index in dataset.y_true] == ['woman', 'man']
    assert dataset.images[0][0, 0].tolist() == [200, 100, 100]


def test_fer2013_as_pictures_has_its_validation_in_train(tmp_path: Path) -> None:
    """Where there is no `val/`, a tenth of `train/` is taken for it, always the same."""
    for split, count in (('train', 100), ('test', 7)):
        for number in range(count):
            write_image(tmp_path / split / EMOTIONS[number % 7] / f'{number}.png', number)
    values = [
        {int(image[0, 0, 0]) for image in read_dataset('emotion', tmp_path, split).images}
        for split in ('train', 'val', 'test')
    ]
    assert not values[0] & values[1]
    assert values[0] | values[1] == set(range(100))
    assert 3 < len(values[1]) < 20
    assert values[2] == set(range(7))


def test_a_folder_that_is_named_otherwise_is_not_passed_over(tmp_path: Path) -> None:
    """Half of the labels would be missing without a word: the line says what was found."""
    write_image(tmp_path / 'train' / 'happy' / 'a.png', 200)
    write_image(tmp_path / 'train' / 'Sad' / 'b.png', 200)
    with pytest.raises(ValueError, match=r'folder for each of angry, .*, found Sad, happy'):
        read_dataset('emotion', tmp_path, 'train')


def test_a_folder_without_known_data_is_refused(tmp_path: Path) -> None:
    """The line says what was expected there."""
    with pytest.raises(ValueError, match='holds no emotion data of a known form: expected fer'):
        read_dataset('emotion', tmp_path, 'val')


def test_a_folder_with_other_names_lists_them(tmp_path: Path) -> None:
    """Upper case is another name: the line shows what there is beside what was expected."""
    write_image(tmp_path / 'train' / 'Happy' / 'a.png', 200)
    write_image(tmp_path / 'train' / 'Sad' / 'b.png', 200)
    with pytest.raises(NoFacesError, match=r'for each of angry, .*; found train \(Happy, Sad\)'):
        read_dataset('emotion', tmp_path, 'train')


def write_groups(folder: Path, *rows: str) -> None:
    """Write pictures of two splits, and a table with these rows."""
    for name in ('train/woman/a.png', 'val/man/b.png', 'val/woman/b.png'):
        write_image(folder / name, 200)
    (folder / 'groups.csv').write_text('\n'.join(('file,glasses,age', *rows)))


def test_a_table_tells_to_which_groups_own_pictures_belong(tmp_path: Path) -> None:
    """Rows in any order, for each picture of a split or for none of it; any column will do."""
    write_groups(tmp_path, 'val/man/b.png,yes,30', 'val/woman/b.png,no,8')
    dataset = read_dataset('gender', tmp_path, 'val')
    assert [GENDERS[index] for index in dataset.y_true] == ['woman', 'man']
    assert dataset.groups['glasses'].tolist() == ['no', 'yes']
    assert dataset.group('age').tolist() == ['0-12', '30-39']
    assert read_dataset('gender', tmp_path, 'train').groups == {}


@pytest.mark.parametrize(
    ('row', 'expected'),
    [
        ('', r'groups\.csv has no row for val/woman/b\.png'),
        ('val/woman/c.png,no,8', r'groups\.csv, line 3: .*val/woman/c\.png does not exist'),
        ('val/man/b.png,no,8', r'groups\.csv, line 3: .*val/man/b\.png has a row already'),
        ('val/woman/b.png,,8', r'groups\.csv, line 3: no glasses; write unknown'),
        ('val/woman/b.png,no', r'groups\.csv, line 3: no age; write unknown'),
        ('val/woman/b.png,no,8,9', r'groups\.csv, line 3: a value in a column without a name'),
        ('val/woman/b.png,no,20-29', r"line 3: age '20-29' is no whole number of years"),
    ],
)
def test_a_table_of_groups_with_a_gap_is_refused(tmp_path: Path, row: str, expected: str) -> None:
    """Faces without a group would be left out of what is compared, without a word."""
    write_groups(tmp_path, 'val/man/b.png,yes,30', row)
    with pytest.raises(ValueError, match=expected):
        read_dataset('gender', tmp_path, 'val')
