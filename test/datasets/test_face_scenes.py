"""Reading scenes for a detector."""

import json
from pathlib import Path
import re
from typing import Any

import pytest

from face_classification_ros.datasets.face_scenes import is_face_scenes, read_face_scenes
from face_classification_ros.types import BoundingBox

FACE = {'box': [1, 2, 3, 4], 'landmarks': [[1, 2]] * 5, 'use': 'face', 'score': 0.9}


def write_scenes(folder: Path, faces: list[Any], name: str = 'a.jpg') -> Path:
    """Write one scene for validation."""
    (folder / 'validation').mkdir()
    (folder / 'validation' / 'a.jpg').write_bytes(b'')
    content = {'images': {name: {'faces': faces}}}
    (folder / 'validation' / 'boxes.json').write_text(json.dumps(content))
    return folder


def test_scenes_are_read_with_the_use_of_each_region(tmp_path: Path) -> None:
    """Landmarks may be absent."""
    ignored = {'box': [5, 6, 7, 8], 'use': 'ignore'}
    assert not is_face_scenes(tmp_path)
    (scene,) = read_face_scenes(write_scenes(tmp_path, [FACE, ignored]), 'val')
    assert is_face_scenes(tmp_path)
    assert scene.path == tmp_path / 'validation' / 'a.jpg'
    assert scene.boxes('face') == [BoundingBox(1, 2, 3, 4)]
    assert scene.boxes('ignore') == [BoundingBox(5, 6, 7, 8)]
    assert scene.regions[0].landmarks == ((1.0, 2.0),) * 5
    assert scene.regions[1].landmarks == ()


@pytest.mark.parametrize(
    'change',
    [
        {'box': [1, 2, 3]},
        {'box': [1, 2, 0, 4]},
        {'box': [1, 2, float('nan'), 4]},
        {'use': 'person'},
        {'landmarks': [[1, 2]]},
    ],
    ids=str,
)
def test_wrong_labels_are_rejected(tmp_path: Path, change: dict[str, Any]) -> None:
    """Instead of training with them."""
    with pytest.raises(ValueError, match=r'boxes\.json'):
        read_face_scenes(write_scenes(tmp_path, [FACE | change]), 'val')


def test_missing_files_and_foreign_paths_are_rejected(tmp_path: Path) -> None:
    """No labels, no image, an image outside of the folder, or an unknown split."""
    with pytest.raises(FileNotFoundError, match=r'boxes\.json'):
        read_face_scenes(tmp_path, 'train')
    with pytest.raises(ValueError, match='split'):
        read_face_scenes(tmp_path, 'test')
    for number, (name, error) in enumerate(
        {'missing.jpg': FileNotFoundError, '../../a.jpg': ValueError}.items()
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(error, match=re.escape(Path(name).name)):
            read_face_scenes(write_scenes(folder, [FACE], name), 'val')
