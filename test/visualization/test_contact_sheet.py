"""Contact sheets: rows, proportions, and invalid arguments."""

from __future__ import annotations

import numpy as np
import pytest

from face_classification_ros.visualization.contact_sheet import contact_sheet


def test_contact_sheet_shows_all_images_in_rows() -> None:
    """Five images in three columns fill two rows, in reading order."""
    images = [np.full((48, 64, 3), 50 + 40 * index, np.uint8) for index in range(5)]
    sheet = contact_sheet(images, 3, 600)
    assert sheet.shape[1] == 600
    assert sheet.dtype == np.uint8
    rows, columns = sheet.shape[0] // 4, 100
    centers = [
        sheet[rows * (1 + 2 * (index // 3)), columns * (1 + 2 * (index % 3)), 0]
        for index in range(5)
    ]
    assert centers == [50, 90, 130, 170, 210]
    assert sheet[rows * 3, columns * 5, 0] < 50


def test_contact_sheet_fits_images_of_other_proportions() -> None:
    """A tall image next to a wide one is resized, neither distorted nor cropped."""
    wide, tall = np.full((100, 200, 3), 150, np.uint8), np.full((400, 100, 3), 250, np.uint8)
    sheet = contact_sheet([wide, tall], 2, 840)
    rows, columns = np.nonzero(sheet[..., 0] == 250)
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert height == pytest.approx(205, abs=3)
    assert height / width == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize(('count', 'columns', 'width'), [(0, 3, 600), (2, 0, 600), (2, 3, 5)])
def test_contact_sheet_of_nothing_is_rejected(count: int, columns: int, width: int) -> None:
    """The error has the number of images."""
    with pytest.raises(ValueError, match=f'{count} images'):
        contact_sheet([np.zeros((48, 64, 3), np.uint8)] * count, columns, width)
