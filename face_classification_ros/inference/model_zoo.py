"""Find what is installed beside the code: models, parameter files, the DDS profile."""

from __future__ import annotations

from pathlib import Path

PACKAGE = 'face_classification_ros'


def share_folder() -> Path:
    """Give the package's share folder.

    Raises:
        FileNotFoundError: the package is not installed in a way that the ament index knows.
    """
    # Kept out of the start of commands that need no file of ours.
    from ament_index_python.packages import get_package_share_path, PackageNotFoundError

    try:
        return Path(get_package_share_path(PACKAGE))
    except PackageNotFoundError as error:
        raise FileNotFoundError(
            f'{PACKAGE} is not installed: use `pip install .`, or `colcon build` and source its '
            'set-up file'
        ) from error


def dds_profile() -> Path:
    """Give the path of the Fast DDS profile with room for large pictures."""
    return share_folder() / 'config' / 'fastdds_large_images.xml'


def executable(name: str) -> Path:
    """Give the path of one of the package's executables, as `ros2 run` finds it."""
    return share_folder().parents[1] / 'lib' / PACKAGE / name


def model_path(name: str) -> str:
    """Give the path of a model file.

    Args:
        name: a path that ends in `.onnx`, the name of a shipped model, or "" for none.

    Raises:
        FileNotFoundError: no shipped model has this name.
    """
    if not name or name.endswith('.onnx'):
        return name
    models = share_folder() / 'resource' / 'models'
    path = models / f'{name}.onnx'
    if not path.is_file():
        shipped = ', '.join(sorted(each.stem for each in models.glob('*.onnx')))
        raise FileNotFoundError(
            f'no shipped model is called {name!r}; give one of {shipped}, or a path to an .onnx '
            'file'
        )
    return str(path)
