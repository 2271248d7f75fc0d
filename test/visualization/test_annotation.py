"""Annotated pictures: colors, edges, crowds, faces made unrecognizable, contact sheets."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from face_classification_ros.types import AttributeEstimate, BoundingBox, Detection, Face, Image
from face_classification_ros.visualization.annotation import draw_faces, face_color
from face_classification_ros.visualization.colors import (
    Color,
    color_of,
    LABEL_COLORS,
    NEUTRAL_COLOR,
)

GENDERS = ('woman', 'man')
EMOTIONS = ('angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral')
SIZES = [(320, 240), (640, 480), (2048, 1536)]


def estimate(labels: tuple[str, ...], label: str, confidence: float) -> AttributeEstimate:
    """Give an estimate that is "unknown" below 0.5."""
    rest = (1 - confidence) / (len(labels) - 1)
    probabilities = np.array(
        [confidence if name == label else rest for name in labels], np.float32
    )
    return AttributeEstimate(labels, probabilities, probabilities, 5, 0.5)


WOMAN, MAN = estimate(GENDERS, 'woman', 0.97), estimate(GENDERS, 'man', 0.97)
HAPPY, SAD = estimate(EMOTIONS, 'happy', 0.81), estimate(EMOTIONS, 'sad', 0.9)


def face_at(
    x: float,
    y: float,
    width: float,
    height: float,
    *,
    gender: AttributeEstimate | None = WOMAN,
    emotion: AttributeEstimate | None = HAPPY,
) -> Face:
    """Give a face with made-up estimates."""
    estimates = {'gender': gender, 'emotion': emotion}
    attributes = {name: each for name, each in estimates.items() if each is not None}
    return Face(Detection(BoundingBox(x, y, width, height), 0.93), attributes, 'track')


def noise(width: int = 640, height: int = 480) -> Image:
    """Make a picture full of detail, with no color that is drawn."""
    return np.random.default_rng(0).integers(90, 120, (height, width, 3), dtype=np.uint8)


def gray(width: int = 640, height: int = 480) -> Image:
    """Make a picture without any detail."""
    return np.full((height, width, 3), 100, np.uint8)


def changed(annotated: Image, image: Image) -> BoundingBox:
    """Give the smallest box around all that was drawn."""
    rows, columns = np.nonzero((annotated != image).any(axis=2))
    return BoundingBox(
        columns.min(), rows.min(), float(np.ptp(columns)) + 1, float(np.ptp(rows)) + 1
    )


def share_of(color: Color, image: Image, tolerance: int = 60) -> float:
    """Give the share of pixels that are of a color; the edges of letters are a little darker."""
    return float((np.abs(image.astype(int) - color) <= tolerance).all(axis=2).mean())


def detail(image: Image) -> float:
    """Give the energy of the high frequencies."""
    return float(cv2.Laplacian(image, cv2.CV_64F).var())


@pytest.mark.parametrize(
    ('gender', 'emotion', 'color'),
    [
        (WOMAN, None, LABEL_COLORS['woman']),
        (MAN, SAD, LABEL_COLORS['man']),
        (None, HAPPY, LABEL_COLORS['happy']),
        (None, estimate(EMOTIONS, 'happy', 0.3), NEUTRAL_COLOR),
        (None, None, NEUTRAL_COLOR),
    ],
    ids=['woman', 'man', 'happy', 'unknown emotion', 'all switched off'],
)
@pytest.mark.parametrize(('width', 'height'), SIZES)
def test_box_and_text_have_the_color_of_the_class(
    width: int,
    height: int,
    gender: AttributeEstimate | None,
    emotion: AttributeEstimate | None,
    color: Color,
) -> None:
    """All four sides of the box, and letters above it, at every size of picture."""
    x, y, side = width // 4, height // 2, height // 4
    face = face_at(x, y, side, side, gender=gender, emotion=emotion)
    annotated = draw_faces(gray(width, height), [face])
    for row, column in (
        (y, x + side // 2),
        (y + side - 1, x + side // 2),
        (y + side // 2, x),
        (y + side // 2, x + side - 1),
    ):
        assert tuple(annotated[row, column]) == color
    assert share_of(color, annotated[: y - height // 100]) > 0.001


def test_unknown_gender_is_neutral() -> None:
    """Nobody below the threshold gets the color of a class."""
    probabilities = np.array([0.6, 0.4], np.float32)
    unsure = AttributeEstimate(GENDERS, probabilities, probabilities, 5, 0.7)
    annotated = draw_faces(gray(), [face_at(200, 200, 100, 100, gender=unsure, emotion=None)])
    assert tuple(annotated[200, 250]) == NEUTRAL_COLOR
    for label in GENDERS:
        assert share_of(LABEL_COLORS[label], annotated) == 0


def test_bar_shows_the_distribution_of_emotions() -> None:
    """Its longest part has the color of the most probable emotion."""
    annotated = draw_faces(gray(), [face_at(200, 200, 100, 100)])
    shares = {label: share_of(LABEL_COLORS[label], annotated, tolerance=0) for label in EMOTIONS}
    assert max(shares, key=lambda label: shares[label]) == 'happy'
    assert all(share > 0 for share in shares.values())


def test_picture_that_came_in_is_not_changed() -> None:
    """The drawing is on a copy, also of a picture that cannot be written."""
    image = noise()
    image.flags.writeable = False
    same = image.copy()
    annotated = draw_faces(image, [face_at(200, 200, 100, 100)], blur=True)
    np.testing.assert_array_equal(image, same)
    assert not np.shares_memory(annotated, image)
    assert annotated.shape == image.shape
    assert annotated.dtype == np.uint8


def test_no_face_gives_the_same_picture() -> None:
    """A picture without faces is passed on as it is, as a copy."""
    image = noise()
    annotated = draw_faces(image, [], blur=True)
    np.testing.assert_array_equal(annotated, image)
    assert annotated is not image


@pytest.mark.parametrize(
    ('x', 'y'),
    [
        (0, 0),
        (540, 0),
        (0, 340),
        (540, 340),
        (-50, 200),
        (590, 200),
        (300, -70),
        (300, 410),
        (-70, -70),
        (610, 450),
    ],
)
@pytest.mark.parametrize('blur', [False, True])
def test_face_at_the_edge_has_its_box_and_text_in_the_picture(x: int, y: int, blur: bool) -> None:
    """Also where the box reaches over the edge: four sides and the whole text are seen."""
    color = LABEL_COLORS['woman']
    face = face_at(x, y, 100, 140)
    annotated = draw_faces(gray(), [face], blur=blur)
    part = face.detection.box.clipped(640, 480)
    left, right = int(part.x), int(part.x + part.width) - 1
    top, bottom = int(part.y), int(part.y + part.height) - 1
    for row, column in ((top, left), (top, right), (bottom, left), (bottom, right)):
        assert tuple(annotated[row, column]) == color
    annotated[max(top - 2, 0) : bottom + 3, max(left - 2, 0) : right + 3] = 0
    in_the_middle = draw_faces(gray(), [face_at(270, 220, part.width, part.height)])
    letters = share_of(color, in_the_middle[:217])
    assert letters > 0
    assert share_of(color, annotated) * annotated.size == pytest.approx(
        letters * in_the_middle[:217].size
    )


def test_face_outside_the_picture_is_left_out() -> None:
    """A track that has moved on over the edge leaves no label behind."""
    image = noise()
    annotated = draw_faces(image, [face_at(700, 100, 80, 80)], blur=True)
    np.testing.assert_array_equal(annotated, image)


@pytest.mark.parametrize('side', [0.5, 1, 3, 8])
def test_tiny_face_has_a_label_that_can_be_read(side: float) -> None:
    """Its text is no smaller than that of others, its region is blurred too."""
    image = gray()
    annotated = draw_faces(image, [face_at(300, 200, side, side)], blur=True)
    drawn = changed(annotated, image)
    assert drawn.width > 100
    assert drawn.height > 40


@pytest.mark.parametrize(('width', 'height'), [(1, 1), (8, 8), (40, 200), (200, 40)])
def test_odd_sizes_of_picture(width: int, height: int) -> None:
    """A picture that is too small for any text is drawn on as well as can be."""
    face = face_at(0, 0, width, height)
    annotated = draw_faces(gray(width, height), [face], blur=True)
    assert annotated.shape == (height, width, 3)


def test_text_grows_with_the_picture() -> None:
    """What is legible at 320 x 240 is so at 2048 x 1536 on the same screen."""
    shares = []
    for width, height in SIZES:
        image = gray(width, height)
        face = face_at(width * 0.4, height * 0.5, width * 0.1, width * 0.1)
        drawn = changed(draw_faces(image, [face]), image)
        shares.append(drawn.width / width)
    assert min(shares) > 0.15
    assert max(shares) < 0.4


def test_labels_of_neighbors_do_not_hide_each_other() -> None:
    """Two faces side by side: each label has as many pixels of its color as alone."""
    faces = [
        face_at(200, 200, 90, 110),
        face_at(295, 205, 90, 110, gender=MAN),
    ]
    together = draw_faces(gray(), faces)
    for face in faces:
        alone = draw_faces(gray(), [face])
        color = face_color(face)
        assert share_of(color, together) > 0.95 * share_of(color, alone)


def test_twenty_faces() -> None:
    """In a crowd each face has its whole box, and a label of the same color above it."""
    faces = [
        face_at(
            40 + 250 * (index % 5),
            120 + 170 * (index // 5),
            90,
            100,
            gender=(WOMAN, MAN)[index % 2],
        )
        for index in range(20)
    ]
    annotated = draw_faces(gray(1280, 800), faces)
    for face in faces:
        x, y = int(face.detection.box.x), int(face.detection.box.y)
        color = face_color(face)
        for row, column in ((y, x + 45), (y + 99, x + 45), (y + 50, x), (y + 50, x + 89)):
            assert tuple(annotated[row, column]) == color
        assert share_of(color, annotated[y - 60 : y - 5, x : x + 150]) > 0.05


@pytest.mark.parametrize('side', [24, 100, 300])
def test_blurred_face_has_no_detail_left(side: int) -> None:
    """The high frequencies of the face and a margin around it are gone, the rest is the same."""
    image = noise()
    face = face_at(100, 100, side, side)
    box_only = draw_faces(image, [face])
    annotated = draw_faces(image, [face], blur=True)
    inside = slice(105, 100 + side - 5), slice(105, 100 + side - 5)
    assert detail(annotated[inside]) < 0.01 * detail(image[inside])
    margin = slice(100 + side + 3, 100 + side + side // 5), inside[1]
    assert detail(annotated[margin]) < 0.05 * detail(image[margin])
    far = slice(0, None), slice(110 + 2 * side, None)
    np.testing.assert_array_equal(annotated[far], box_only[far])


def test_blur_keeps_box_and_text_sharp() -> None:
    """They are drawn on top."""
    color = LABEL_COLORS['woman']
    faces = [face_at(200, 200, 100, 100)]
    sharp = share_of(color, draw_faces(noise(), faces))
    assert share_of(color, draw_faces(noise(), faces, blur=True)) == sharp


def test_blurred_face_is_not_found_by_a_detector() -> None:
    """A real face that the detector finds is no face any more."""
    data = pytest.importorskip('skimage.data', reason='the picture comes with scikit-image')
    image = np.ascontiguousarray(data.astronaut()[..., ::-1])
    cascade = Path(cv2.__file__).parent / 'data' / 'haarcascade_frontalface_default.xml'
    if not cascade.exists():
        pytest.skip('this OpenCV comes without its cascades')
    detector = cv2.CascadeClassifier(str(cascade))
    found = detector.detectMultiScale(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), 1.1, 5)
    x, y, width, height = max(found, key=lambda box: box[2] * box[3])
    blurred = draw_faces(
        image, [face_at(float(x), float(y), float(width), float(height))], blur=True
    )
    again = detector.detectMultiScale(cv2.cvtColor(blurred, cv2.COLOR_BGR2GRAY), 1.1, 5)
    face = BoundingBox(x, y, width, height)
    assert all(face.iou(BoundingBox(*box)) < 0.1 for box in again)


def test_labels_of_any_attribute_have_colors_of_their_own() -> None:
    """A color depends on the label alone; "unknown" is neutral."""
    labels = ('none', 'hat', 'helmet', 'woman')
    assert len({color_of(label) for label in labels}) == len(labels)
    assert [color_of(label) for label in labels] == [color_of(label) for label in labels]
    assert color_of('unknown') == NEUTRAL_COLOR


def test_every_distribution_of_three_labels_has_a_bar() -> None:
    """Two attributes with three labels or more give a higher label than one."""
    headwear = estimate(('none', 'hat', 'helmet'), 'hat', 0.8)
    detection = Detection(BoundingBox(200, 200, 100, 100), 0.9)
    heights = []
    for attributes in ({'emotion': HAPPY}, {'emotion': HAPPY, 'headwear': headwear}):
        annotated = draw_faces(gray(), [Face(detection, attributes)])
        heights.append(changed(annotated, gray()).height)
    assert heights[1] > heights[0]
    assert share_of(color_of('hat'), annotated, tolerance=0) > 0
