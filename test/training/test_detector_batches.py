"""Composed training images of a detector, and their targets."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('tensorflow', reason='needs the extra [train]')

from concurrent.futures import ThreadPoolExecutor

import cv2
import onnx
from small_models import yunet_model

from face_classification_ros.datasets.face_scenes import Scene, SceneRegion
from face_classification_ros.training.detector_batches import SceneBatches
from face_classification_ros.training.detector_recipe import DetectorRecipe
from face_classification_ros.training.detector_targets import correct_targets, Teacher
from face_classification_ros.training.scene_augmentation import SceneAugmentation
from face_classification_ros.types import BoundingBox, Image

SQUARE = SceneRegion(
    BoundingBox(60, 40, 40, 40), 'face', ((70, 50), (90, 50), (80, 60), (72, 70), (88, 70))
)
CELLS_OF_64 = 64 + 16 + 4


def draw_scene() -> Image:
    """Return a black image with a white square."""
    image = np.zeros((120, 160, 3), np.uint8)
    image[40:80, 60:100] = 255
    return image


@pytest.mark.parametrize('seed', range(8))
def test_box_follows_the_square(seed: int) -> None:
    """Cut, zoomed and mirrored; landmarks change sides with a mirror image."""
    augmentation = SceneAugmentation(min_face=12, max_face=60, mirror=True)
    random = np.random.default_rng(seed)
    image, (region,) = augmentation.cut(draw_scene(), [SQUARE], (128, 96), random)
    assert image.shape == (96, 128, 3)
    # The random background is of one color and never white.
    rows, columns = np.nonzero(image.min(axis=2) > 250)
    box = region.box.clipped(128, 96)
    edges = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    expected = box.x, box.y, box.x + box.width, box.y + box.height
    assert edges == pytest.approx(expected, abs=1.5)
    scale = region.box.width / SQUARE.box.width
    assert 11.9 <= region.box.width <= 60.1
    # The right eye stays left of the left one, as in any image of a person.
    eye = region.box.x + 10 * scale, region.box.y + 10 * scale
    assert region.landmarks[0] == pytest.approx(eye, abs=0.01)


def test_rotated_landmarks_stay_on_the_square() -> None:
    """The center of the box turns with the image, and the nose is in it."""
    augmentation = SceneAugmentation(min_face=40, max_face=40, rotation=45)
    for seed in range(5):
        random = np.random.default_rng(seed)
        _, (region,) = augmentation.cut(draw_scene(), [SQUARE], (128, 128), random)
        assert region.landmarks[2] == pytest.approx(region.box.center, abs=0.01)


def test_face_that_is_cut_off_becomes_uncertain() -> None:
    """The label of half a face is neither a target nor an error of the teacher."""
    augmentation = SceneAugmentation(min_face=40, max_face=40)
    uses = set()
    for seed in range(20):
        random = np.random.default_rng(seed)
        for region in augmentation.cut(draw_scene(), [SQUARE], (64, 64), random)[1]:
            visible = region.box.clipped(64, 64).area / region.box.area
            assert region.use == ('face' if visible >= 0.8 else 'ignore')
            uses.add(region.use)
    assert uses == {'face', 'ignore'}


def test_mosaic_has_regions_of_all_four_scenes() -> None:
    """Each in its quarter."""
    augmentation = SceneAugmentation(min_face=12, max_face=20)
    scenes = [(draw_scene(), (SQUARE,))] * 4
    image, regions = augmentation.compose_mosaic(scenes, 128, np.random.default_rng(0))
    assert image.shape == (128, 128, 3)
    assert len(regions) == 4
    sides = [(x > 64, y > 64) for x, y in (region.box.center for region in regions)]
    assert sides[0] != sides[3]


def test_light_and_noise_keep_shape_and_type() -> None:
    """All changes at once."""
    augmentation = SceneAugmentation(
        contrast=0.3,
        brightness=0.2,
        gamma=0.5,
        exposure=2,
        gray=1,
        blur=1,
        motion_blur=1,
        jpeg=1,
        noise=1,
    )
    image = augmentation.change_levels(draw_scene(), np.random.default_rng(0))
    assert image.shape == (120, 160, 3)
    assert image.dtype == np.uint8
    assert abs(image[..., 0].astype(int) - image[..., 2]).max() < 60


def empty_cells() -> np.ndarray:
    """Return predictions without a face for an image of 64 x 64."""
    return np.zeros((CELLS_OF_64, 15), np.float32)


def test_face_that_the_teacher_misses_becomes_a_target() -> None:
    """A face of 20 px is in the cell of its center at stride 8, with box and landmarks."""
    cells = empty_cells()
    points = tuple((30.0 + i, 20.0) for i in range(5))
    region = SceneRegion(BoundingBox(20, 12, 20, 20), 'face', points)
    correct_targets(cells, [region], 64, 12)
    (cell,) = np.flatnonzero(cells[:, 0])
    assert cell == 2 * 8 + 3
    assert cells[cell, :5] == pytest.approx([1, 0.75, 0.75, np.log(2.5), np.log(2.5)])
    assert cells[cell, 5:7] == pytest.approx([0.75, 0.5])


def test_small_and_uncertain_faces_are_left_to_the_teacher() -> None:
    """Below the limit, or labeled as uncertain."""
    cells = empty_cells()
    points = ((30.0, 20.0),) * 5
    regions = [
        SceneRegion(BoundingBox(20, 12, 8, 8), 'face', points),
        SceneRegion(BoundingBox(20, 12, 20, 20), 'ignore', points),
    ]
    correct_targets(cells, regions, 64, 12)
    assert not cells.any()


def test_face_that_the_teacher_finds_keeps_its_target() -> None:
    """Found at a neighboring cell."""
    cells = empty_cells()
    cells[2 * 8 + 4] = [0.8, -0.25, 0.75, np.log(2.5), np.log(2.5), *[0] * 10]
    before = cells.copy()
    region = SceneRegion(BoundingBox(20, 12, 20, 20), 'face', ((30.0, 20.0),) * 5)
    correct_targets(cells, [region], 64, 12)
    assert (cells == before).all()


def test_known_false_alarm_gets_the_score_zero() -> None:
    """And other faces keep theirs."""
    cells = empty_cells()
    cells[2 * 8 + 3] = [0.8, 0.75, 0.75, np.log(2.5), np.log(2.5), *[0] * 10]
    cells[7 * 8 + 7] = 0.7
    correct_targets(cells, [SceneRegion(BoundingBox(20, 12, 20, 20), 'not_a_face')], 64, 12)
    assert cells[2 * 8 + 3, 0] == 0
    assert cells[7 * 8 + 7, 0] == pytest.approx(0.7)


def test_batches_are_those_of_their_seed_and_epoch(tmp_path: Path) -> None:
    """Reproducible, so that a resumed run continues with the same images."""
    cv2.imwrite(str(tmp_path / 'a.png'), draw_scene())
    onnx.save(yunet_model(), tmp_path / 'teacher.onnx')
    recipe = DetectorRecipe(
        task='face_detection',
        network='face_detector',
        size=64,
        images_per_epoch=6,
        batch_size=4,
        augmentation=SceneAugmentation(mosaic=0.5, mirror=True, noise=0.5),
    )
    scenes = [Scene(tmp_path / 'a.png', (SQUARE,))]
    batches = SceneBatches(scenes, recipe, tmp_path / 'teacher.onnx')
    assert len(batches) == 2
    with ThreadPoolExecutor(2) as pool:
        images, targets = batches.batch(1, 0, pool)
        again, _ = batches.batch(1, 0, pool)
        other, _ = batches.batch(2, 0, pool)
        last, _ = batches.batch(1, 1, pool)
    assert images.shape == (4, 64, 64, 3)
    assert targets.shape == (4, CELLS_OF_64, 15)
    assert abs(images).max() <= 1
    assert (images == again).all()
    assert (images != other).any()
    assert len(last) == 2


def test_teacher_predicts_the_cells_of_all_strides(tmp_path: Path) -> None:
    """Its score is the root of the product of its two; here the gray level times 0.003."""
    onnx.save(yunet_model(), tmp_path / 'teacher.onnx')
    cells = Teacher(tmp_path / 'teacher.onnx').predict(np.full((64, 64, 3), 100, np.uint8))
    assert cells.shape == (CELLS_OF_64, 15)
    assert cells == pytest.approx(0.3, abs=1e-5)
