"""Reading data sets in their published layouts."""

from collections.abc import Sequence
from pathlib import Path

import cv2
from dataset_layouts import VOTE_COLUMNS, write_fer2013
import numpy as np
from numpy.typing import NDArray
import pytest

from face_classification_ros.datasets.image_files import OmissionWarning
from face_classification_ros.datasets.registry import (
    attributes_in,
    EMOTIONS,
    FaceDataset,
    GENDERS,
    NoFacesError,
    read_dataset,
)


def write_image(path: Path, value: int) -> None:
    """Write an image of one color: blue is twice as bright as red."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((20, 20, 3), (value, value // 2, value // 2), np.uint8)
    assert cv2.imwrite(str(path), image)


def test_fer2013_is_split_by_usage(tmp_path: Path) -> None:
    """The validation split is PublicTest, the training split Training."""
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
    """A face labeled angry that half of the voters call sad is partly sad."""
    write_fer2013(tmp_path, [(0, 90, 'Training', '0,0,0,5,5,0,0,0,0,0')])
    training = read_dataset('emotion', tmp_path, 'train', ferplus_weight=0.5)
    expected = dict.fromkeys(EMOTIONS, 0.0) | {'angry': 0.75, 'sad': 0.25}
    np.testing.assert_allclose(training.targets[0], list(expected.values()))


def test_images_without_a_face_are_excluded_from_training(tmp_path: Path) -> None:
    """Most voters see no face in the first one."""
    write_fer2013(
        tmp_path,
        [
            (0, 90, 'Training', '0,0,0,0,1,0,0,0,0,9'),
            (0, 91, 'Training', '0,0,0,0,9,0,0,0,0,1'),
        ],
    )
    assert len(read_dataset('emotion', tmp_path, 'train', ferplus_weight=0.5)) == 1


def test_votes_with_other_rows_are_refused(tmp_path: Path) -> None:
    """Votes belong to rows by their order."""
    write_fer2013(tmp_path, [(0, 90, 'Training', '0,0,0,0,9,0,0,0,0,0')])
    (tmp_path / 'fer2013new.csv').write_text(f'Usage,Image name,{VOTE_COLUMNS}\n')
    with pytest.raises(ValueError, match=r'fer2013new\.csv'):
        read_dataset('emotion', tmp_path, 'train', ferplus_weight=0.5)


@pytest.mark.parametrize(
    ('old', 'new', 'place'),
    [
        ('90 90 0,', '90 0,', 'line 3: '),
        ('90 90 0,', '90 300 0,', 'line 3: '),
        ('5,90', '7,90', "line 3: .*'7'"),
        ('emotion,', 'label,', "has no column 'emotion'"),
    ],
)
def test_damaged_table_is_refused(tmp_path: Path, old: str, new: str, place: str) -> None:
    """The message names the file and the line."""
    vote = '9,0,0,0,0,0,0,0,0,0'
    write_fer2013(tmp_path, [(3, 80, 'Training', vote), (5, 90, 'Training', vote)])
    table = tmp_path / 'fer2013.csv'
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(ValueError, match=rf'fer2013\.csv,? {place}'):
        read_dataset('emotion', tmp_path, 'train')


def test_copies_with_contradicting_labels_get_a_soft_target(tmp_path: Path) -> None:
    """An image that is labeled sad twice and fear once is one face, two thirds sad.

    The other splits are not merged.
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


def test_copies_of_validation_images_are_excluded_from_training(tmp_path: Path) -> None:
    """They are recognized by their pixels."""
    vote = '9,0,0,0,0,0,0,0,0,0'
    write_fer2013(
        tmp_path,
        [(6, 80, 'Training', vote), (6, 81, 'Training', vote), (6, 80, 'PublicTest', vote)],
    )
    training = read_dataset('emotion', tmp_path, 'train')
    left = training.without_images_of(read_dataset('emotion', tmp_path, 'val'))
    assert [int(image[0, 0, 0]) for image in left.images] == [81]


def test_utkface_codes_men_as_0_and_women_as_1(tmp_path: Path) -> None:
    """The opposite of the code of IMDB-WIKI and of the order of our labels."""
    write_image(tmp_path / '30_0_1_20170109.jpg.chip.jpg', 100)
    write_image(tmp_path / '40_1_2_20170109.jpg.chip.jpg', 200)
    (tmp_path / 'split.csv').write_text(
        'file,split\n30_0_1_20170109.jpg.chip.jpg,val\n40_1_2_20170109.jpg.chip.jpg,val\n'
    )
    dataset = read_dataset('gender', tmp_path, 'val')
    assert [GENDERS[index] for index in dataset.y_true] == ['man', 'woman']
    assert list(dataset.groups['race']) == ['black', 'asian']
    assert list(dataset.groups['age']) == [30, 40]
    assert list(read_dataset('age', tmp_path, 'val').groups['gender']) == ['man', 'woman']


def test_box_of_a_utkface_image_is_that_of_a_detector(tmp_path: Path) -> None:
    """Its center is above the center of the image."""
    write_image(tmp_path / '30_0_1_2017.jpg', 100)
    (tmp_path / 'split.csv').write_text('file,split\n30_0_1_2017.jpg,val\n')
    dataset = read_dataset('gender', tmp_path, 'val')
    (box,) = dataset.face_boxes()
    assert (box.x, box.y) == pytest.approx((-0.8, -2.2))
    assert (box.width, box.height) == pytest.approx((21.2, 21.2))


def test_children_of_utkface_are_excluded_for_gender(tmp_path: Path) -> None:
    """Their gender labels are unreliable; `min_age` is the limit."""
    for age in (3, 13, 50):
        write_image(tmp_path / f'{age}_0_0_2017.jpg', 100 + age)
    (tmp_path / 'split.csv').write_text(
        'file,split\n3_0_0_2017.jpg,train\n13_0_0_2017.jpg,train\n50_0_0_2017.jpg,train\n'
    )
    assert len(read_dataset('gender', tmp_path, 'train')) == 2
    assert len(read_dataset('gender', tmp_path, 'train', min_age=0)) == 3
    assert len(read_dataset('age', tmp_path, 'train')) == 3


def test_ages_of_utkface_are_labeled_by_band(tmp_path: Path) -> None:
    """Children are included, as `min_age` is for gender alone."""
    for age in (2, 9, 35, 90):
        write_image(tmp_path / f'{age}_0_0_2017.jpg', 100 + age)
    (tmp_path / 'split.csv').write_text(
        'file,split\n' + '\n'.join(f'{age}_0_0_2017.jpg,val' for age in (2, 9, 35, 90))
    )
    dataset = read_dataset('age', tmp_path, 'val')
    assert sorted(dataset.labels[index] for index in dataset.y_true) == [
        '0-2',
        '3-9',
        '30-39',
        '70+',
    ]
    assert attributes_in(tmp_path) == ['gender', 'age']


def test_without_a_split_table_splits_are_disjoint(tmp_path: Path) -> None:
    """Splits are chosen by a hash of the file name."""
    random = np.random.default_rng(0)
    for number in range(200):
        image = random.integers(0, 256, (20, 20, 3)).astype(np.uint8)
        assert cv2.imwrite(str(tmp_path / f'30_1_0_{number:09d}.jpg'), image)
    sizes = [len(read_dataset('gender', tmp_path, split)) for split in ('train', 'val', 'test')]
    assert sum(sizes) == 200
    assert sizes[0] > 140


# Matlab day number of the middle of 1970.
BORN_1970 = 719_711.0
YEAR = 365.2425


def write_imdb_wiki(
    folder: Path, name: str, rows: Sequence[tuple[float, float, float, float, float]]
) -> None:
    """Write `imdb.mat` or `wiki.mat` and its images in the published structure.

    Rows are age in 2010, gender, face score, second face score and number of the person; row n
    has the image `n % 100/n.jpg`, 90 x 90, with the gray value n.
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
    names = [f'Person {int(number)}' if number > 0 else np.zeros((0, 0)) for number in people[0]]
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
    """Return the splits of a gender data set that are not empty."""
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
    """The opposite of the code of UTKFace; ages are those in the year of the image."""
    write_imdb_wiki(tmp_path, name, [(30, 1, 5, NAN, 1), (55, 0, 5, NAN, 1)])
    assert attributes_in(tmp_path) == ['gender', 'age']
    (dataset,) = read_all_splits(tmp_path)
    assert [GENDERS[index] for index in dataset.y_true] == ['man', 'woman']
    assert dataset.groups['age'].tolist() == [30, 55]
    assert dataset.groups['gender'].tolist() == ['man', 'woman']
    assert dataset.targets.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ('row', 'why'),
    [
        ((30, 1, 2.5, NAN), 'the detection has a low score'),
        ((30, 1, float('-inf'), NAN), 'no face was found'),
        ((30, 1, 5.0, 2.0), 'a second face was found, to which the label may belong'),
        ((30, NAN, 5.0, NAN), 'the gender is unknown'),
        ((12, 1, 5.0, NAN), 'the person is younger than min_age'),
        ((110, 1, 5.0, NAN), 'impossible age: one of the dates is wrong'),
        ((-3, 1, 5.0, NAN), 'born after the image was taken'),
    ],
)
def test_unreliable_faces_of_imdb_wiki_are_excluded(
    tmp_path: Path, row: tuple[float, float, float, float], why: str
) -> None:
    """The data was collected from web pages without manual checks."""
    write_imdb_wiki(tmp_path, 'imdb', [(*GOOD, 1), (*row, 1), (*GOOD, 1)])
    (dataset,) = read_all_splits(tmp_path)
    assert [int(image[0, 0, 0]) for image in dataset.images] == [0, 2], why


def test_missing_and_empty_images_of_imdb_wiki_are_skipped(tmp_path: Path) -> None:
    """Some of the published images have a single pixel."""
    write_imdb_wiki(tmp_path, 'wiki', [(*GOOD, 1)] * 3)
    (tmp_path / '00' / '0.jpg').unlink()
    assert cv2.imwrite(str(tmp_path / '01' / '1.jpg'), np.zeros((1, 1, 3), np.uint8))
    with pytest.warns(OmissionWarning, match=r' 2 .*00/0\.jpg, 01/1\.jpg'):
        (dataset,) = read_all_splits(tmp_path)
    assert [int(image[0, 0, 0]) for image in dataset.images] == [2]


@pytest.mark.parametrize('gender', [2.0, -1.0, 0.5])
@pytest.mark.parametrize('attribute', ['gender', 'age'])
def test_unknown_gender_of_imdb_wiki_is_named(
    tmp_path: Path, gender: float, attribute: str
) -> None:
    """Neither 0 nor 1, and not the nan of an unknown one."""
    write_imdb_wiki(tmp_path, 'imdb', [(*GOOD, 1), (30, gender, 5.0, NAN, 1), (*GOOD, 1)])
    with pytest.warns(OmissionWarning, match=r' 1 .*01/1\.jpg'):
        dataset = read_dataset(attribute, tmp_path, 'all')
    assert [int(image[0, 0, 0]) for image in dataset.images] == [0, 2]


@pytest.mark.parametrize('name', ['imdb', 'wiki'])
def test_people_of_imdb_wiki_are_in_one_split(tmp_path: Path, name: str) -> None:
    """Splits are chosen by person, not by image."""
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
    """Without a name, each image counts as a person."""
    write_imdb_wiki(tmp_path, 'wiki', [(*GOOD, 0)] * 5)
    assert sum(map(len, read_all_splits(tmp_path))) == 5


def test_people_of_imdb_without_a_number_are_kept(tmp_path: Path) -> None:
    """Each of their images counts as a person, too."""
    write_imdb_wiki(tmp_path, 'imdb', [(*GOOD, NAN)] * 5)
    assert sum(map(len, read_all_splits(tmp_path))) == 5


def test_large_images_of_imdb_wiki_are_scaled_down(tmp_path: Path) -> None:
    """Half a million faces in full size would not fit into memory; the face is in the center."""
    write_imdb_wiki(tmp_path, 'imdb', [(*GOOD, 1), (*GOOD, 1)])
    assert cv2.imwrite(str(tmp_path / '00' / '0.jpg'), np.zeros((900, 450, 3), np.uint8))
    (dataset,) = read_all_splits(tmp_path)
    large, small = dataset.face_boxes()
    assert (large.width, large.height) == pytest.approx((48, 96), abs=1)
    assert (small.x, small.y) == pytest.approx((20, 20))
    assert (small.width, small.height) == pytest.approx((50, 50))


def test_unreadable_image_is_named(tmp_path: Path) -> None:
    """Such as a broken download."""
    write_imdb_wiki(tmp_path, 'imdb', [(*GOOD, 1)])
    (tmp_path / '00' / '0.jpg').write_bytes(b'not an image')
    with pytest.raises(ValueError, match=r'00/0\.jpg'):
        read_all_splits(tmp_path)


def test_other_mat_files_are_refused(tmp_path: Path) -> None:
    """A file without the published fields, one in HDF5, and one in no known format."""
    scipy_io = pytest.importorskip('scipy.io', reason='needs the extra [train]')
    scipy_io.savemat(str(tmp_path / 'wiki.mat'), {'wiki': {'dob': np.zeros((1, 2))}})
    with pytest.raises(ValueError, match=r"wiki\.mat .*'photo_taken'"):
        read_dataset('gender', tmp_path, 'train')
    header = b'MATLAB 7.3 MAT-file'.ljust(124) + b'\x00\x02IM'
    (tmp_path / 'wiki.mat').write_bytes(header.ljust(600))
    with pytest.raises(ValueError, match=r"wiki\.mat .*'-v7\.3'"):
        read_dataset('gender', tmp_path, 'train')
    (tmp_path / 'wiki.mat').write_bytes(b'not a table')
    with pytest.raises(ValueError, match=r"wiki\.mat .*'wiki'"):
        read_dataset('gender', tmp_path, 'train')


def test_folder_without_data_is_refused(tmp_path: Path) -> None:
    """The message names the files by which data of the attribute is recognized."""
    with pytest.raises(NoFacesError, match=r'fer2013\.csv'):
        read_dataset('emotion', tmp_path, 'val')
    assert attributes_in(tmp_path) == []


@pytest.mark.parametrize('name', ['missing', 'file.csv'])
def test_data_that_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    """A misspelled path is not a folder without faces, which several data sets may skip."""
    (tmp_path / 'file.csv').touch()
    with pytest.raises(ValueError, match=name) as caught:
        read_dataset('emotion', tmp_path / name, 'val')
    assert not isinstance(caught.value, NoFacesError)


def test_attribute_that_a_data_set_lacks_is_refused(tmp_path: Path) -> None:
    """FER-2013 has no gender."""
    write_fer2013(tmp_path, [(3, 90, 'Training', '0,9,0,0,0,0,0,0,0,0')])
    assert attributes_in(tmp_path) == ['emotion']
    with pytest.raises(NoFacesError):
        read_dataset('gender', tmp_path, 'train')


def test_unknown_split_is_refused(tmp_path: Path) -> None:
    """The splits are train, val and test."""
    with pytest.raises(ValueError, match='train, val, test'):
        read_dataset('gender', tmp_path, 'validation')


def test_data_set_records_its_reader_and_files(tmp_path: Path) -> None:
    """Messages can name the line of a face."""
    write_fer2013(tmp_path, [(3, 90, 'PublicTest', '0,9,0,0,0,0,0,0,0,0')])
    dataset = read_dataset('emotion', tmp_path, 'val')
    assert dataset.source == 'fer2013'
    assert dataset.files == (f'{tmp_path / "fer2013.csv"}, line 2',)
