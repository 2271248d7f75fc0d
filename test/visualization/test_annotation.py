"""Annotated images: colors, edges, crowds and blurred faces."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from face_classification_ros.datasets.face_dataset import AGES
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
    """Return an estimate with a threshold of 0.5."""
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
    """Return a face with these estimates."""
    estimates = {'gender': gender, 'emotion': emotion}
    attributes = {name: each for name, each in estimates.items() if each is not None}
    return Face(Detection(BoundingBox(x, y, width, height), 0.93), attributes, 'track')


def noise(width: int = 640, height: int = 480) -> Image:
    """Return an image full of detail, without any color that is drawn."""
    return np.random.default_rng(0).integers(90, 120, (height, width, 3), dtype=np.uint8)


def gray(width: int = 640, height: int = 480) -> Image:
    """Return an image without any detail."""
    return np.full((height, width, 3), 100, np.uint8)


def changed(annotated: Image, image: Image) -> BoundingBox:
    """Return the bounding box of all that was drawn."""
    rows, columns = np.nonzero((annotated != image).any(axis=2))
    return BoundingBox(
        columns.min(), rows.min(), float(np.ptp(columns)) + 1, float(np.ptp(rows)) + 1
    )


def fraction_of(color: Color, image: Image, tolerance: int = 60) -> float:
    """Return the fraction of pixels of a color; edges of letters are slightly darker."""
    return float((np.abs(image.astype(int) - color) <= tolerance).all(axis=2).mean())


def detail(image: Image) -> float:
    """Return the energy of the high frequencies."""
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
    """Four sides of the box, and letters above it, for every image size."""
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
    assert fraction_of(color, annotated[: y - height // 100]) > 0.001


def test_unknown_gender_is_neutral() -> None:
    """Below the threshold, no face has the color of a class."""
    probabilities = np.array([0.6, 0.4], np.float32)
    unsure = AttributeEstimate(GENDERS, probabilities, probabilities, 5, 0.7)
    annotated = draw_faces(gray(), [face_at(200, 200, 100, 100, gender=unsure, emotion=None)])
    assert tuple(annotated[200, 250]) == NEUTRAL_COLOR
    for label in GENDERS:
        assert fraction_of(LABEL_COLORS[label], annotated) == 0


def test_bar_shows_the_distribution_of_emotions() -> None:
    """The longest part has the color of the most probable emotion."""
    annotated = draw_faces(gray(), [face_at(200, 200, 100, 100)])
    fractions = {
        label: fraction_of(LABEL_COLORS[label], annotated, tolerance=0) for label in EMOTIONS
    }
    assert max(fractions, key=lambda label: fractions[label]) == 'happy'
    assert all(each > 0 for each in fractions.values())


def test_original_image_is_not_changed() -> None:
    """A read-only image can be annotated, since faces are drawn on a copy."""
    image = noise()
    image.flags.writeable = False
    same = image.copy()
    annotated = draw_faces(image, [face_at(200, 200, 100, 100)], blur=True)
    np.testing.assert_array_equal(image, same)
    assert not np.shares_memory(annotated, image)
    assert annotated.shape == image.shape
    assert annotated.dtype == np.uint8


def test_image_without_faces_is_copied() -> None:
    """The copy equals the image."""
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
def test_box_and_text_at_the_edge_are_inside_the_image(x: int, y: int, blur: bool) -> None:
    """Four sides and the whole text are visible even if the box extends beyond the edge."""
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
    letters = fraction_of(color, in_the_middle[:217])
    assert letters > 0
    assert fraction_of(color, annotated) * annotated.size == pytest.approx(
        letters * in_the_middle[:217].size
    )


def test_face_outside_the_image_is_not_drawn() -> None:
    """A track that left the image has no label."""
    image = noise()
    annotated = draw_faces(image, [face_at(700, 100, 80, 80)], blur=True)
    np.testing.assert_array_equal(annotated, image)


@pytest.mark.parametrize('side', [0.5, 1, 3, 8])
def test_tiny_face_has_a_legible_label(side: float) -> None:
    """Its text is as large as that of other faces, and its region is blurred."""
    image = gray()
    annotated = draw_faces(image, [face_at(300, 200, side, side)], blur=True)
    drawn = changed(annotated, image)
    assert drawn.width > 100
    assert drawn.height > 40


@pytest.mark.parametrize(('width', 'height'), [(1, 1), (8, 8), (40, 200), (200, 40)])
def test_image_of_an_odd_size_is_annotated(width: int, height: int) -> None:
    """An image too small for text is not an error."""
    face = face_at(0, 0, width, height)
    annotated = draw_faces(gray(width, height), [face], blur=True)
    assert annotated.shape == (height, width, 3)


def test_text_grows_with_the_image() -> None:
    """Text is as legible at 2048 x 1536 as at 320 x 240 on the same screen."""
    widths = []
    for width, height in SIZES:
        image = gray(width, height)
        face = face_at(width * 0.4, height * 0.5, width * 0.1, width * 0.1)
        drawn = changed(draw_faces(image, [face]), image)
        widths.append(drawn.width / width)
    assert min(widths) > 0.15
    assert max(widths) < 0.4


def test_labels_of_neighbors_do_not_hide_each_other() -> None:
    """Each label of two adjacent faces has as many pixels of its color as alone."""
    faces = [
        face_at(200, 200, 90, 110),
        face_at(295, 205, 90, 110, gender=MAN),
    ]
    together = draw_faces(gray(), faces)
    for face in faces:
        alone = draw_faces(gray(), [face])
        color = face_color(face)
        assert fraction_of(color, together) > 0.95 * fraction_of(color, alone)


def test_twenty_faces() -> None:
    """In a crowd, each face has its whole box, and a label of the same color above it."""
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
        assert fraction_of(color, annotated[y - 60 : y - 5, x : x + 150]) > 0.05


@pytest.mark.parametrize('side', [24, 100, 300])
def test_blurred_face_has_no_detail_left(side: int) -> None:
    """The face and a margin have no high frequencies; the rest is unchanged."""
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
    """They are drawn after the blur."""
    color = LABEL_COLORS['woman']
    faces = [face_at(200, 200, 100, 100)]
    sharp = fraction_of(color, draw_faces(noise(), faces))
    assert fraction_of(color, draw_faces(noise(), faces, blur=True)) == sharp


def test_blurred_face_is_not_found_by_a_detector() -> None:
    """A detector finds a real face, but not after the blur."""
    data = pytest.importorskip('skimage.data', reason='needs the image of scikit-image')
    image = np.ascontiguousarray(data.astronaut()[..., ::-1])
    cascade = Path(cv2.__file__).parent / 'data' / 'haarcascade_frontalface_default.xml'
    if not cascade.exists():
        pytest.skip('this OpenCV has no cascades')
    detector = cv2.CascadeClassifier(str(cascade))
    found = detector.detectMultiScale(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), 1.1, 5)
    x, y, width, height = max(found, key=lambda box: box[2] * box[3])
    blurred = draw_faces(
        image, [face_at(float(x), float(y), float(width), float(height))], blur=True
    )
    again = detector.detectMultiScale(cv2.cvtColor(blurred, cv2.COLOR_BGR2GRAY), 1.1, 5)
    face = BoundingBox(x, y, width, height)
    assert all(face.iou(BoundingBox(*box)) < 0.1 for box in again)


def test_every_label_has_its_own_color() -> None:
    """A color depends on the label alone; "unknown" is neutral."""
    labels = ('none', 'hat', 'helmet', 'woman')
    assert len({color_of(label) for label in labels}) == len(labels)
    assert [color_of(label) for label in labels] == [color_of(label) for label in labels]
    assert color_of('unknown') == NEUTRAL_COLOR


def test_age_bands_can_be_told_apart() -> None:
    """Any two differ by a tenth of the range of a channel at least."""
    colors = np.array([color_of(band) for band in AGES])
    differences = np.abs(colors[:, None] - colors).max(axis=2)
    assert differences[np.triu_indices(len(AGES), 1)].min() >= 25


def test_every_distribution_of_three_labels_has_a_bar() -> None:
    """Two attributes with three or more labels make the label higher than one."""
    headwear = estimate(('none', 'hat', 'helmet'), 'hat', 0.8)
    detection = Detection(BoundingBox(200, 200, 100, 100), 0.9)
    heights = []
    for attributes in ({'emotion': HAPPY}, {'emotion': HAPPY, 'headwear': headwear}):
        annotated = draw_faces(gray(), [Face(detection, attributes)])
        heights.append(changed(annotated, gray()).height)
    assert heights[1] > heights[0]
    assert fraction_of(color_of('hat'), annotated, tolerance=0) > 0
