"""Find what is installed with the code: shipped models, parameter files, the DDS profile."""

from __future__ import annotations

from pathlib import Path

PACKAGE = 'face_classification_ros'

SHIPPED_DETECTOR = 'face_detector'
"""Name of the only shipped model that is not a classifier."""


def share_folder() -> Path:
    """Return the share folder of the package.

    Raises:
        FileNotFoundError: the package is not in the ament index.
    """
    # Not loaded by commands that need no installed file.
    from ament_index_python.packages import get_package_share_path, PackageNotFoundError

    try:
        return Path(get_package_share_path(PACKAGE))
    except PackageNotFoundError as error:
        raise FileNotFoundError(
            f'{PACKAGE} is not installed: use `pip install .`, or `colcon build` and source '
            'install/setup.bash'
        ) from error


def dds_profile() -> Path:
    """Return the path of the Fast DDS profile for large images."""
    return share_folder() / 'config' / 'fastdds_large_images.xml'


def executable(name: str) -> Path:
    """Return the path of an executable of the package, as `ros2 run` finds it."""
    return share_folder().parents[1] / 'lib' / PACKAGE / name


def models_folder() -> Path:
    """Return the folder of the shipped model files."""
    return share_folder() / 'resource' / 'models'


def shipped_classifiers() -> list[Path]:
    """Return the shipped model files except for that of the detector, in the order of names."""
    files = sorted(models_folder().glob('*.onnx'))
    return [each for each in files if each.stem != SHIPPED_DETECTOR]


def model_path(name: str) -> str:
    """Return the path of a model file.

    Args:
        name: the name of a shipped model, or a path that ends in `.onnx`.

    Raises:
        FileNotFoundError: no shipped model has this name.
    """
    if name.endswith('.onnx'):
        return name
    path = models_folder() / f'{name}.onnx'
    if not path.is_file():
        shipped = ', '.join(each.stem for each in shipped_classifiers())
        raise FileNotFoundError(
            f'there is no shipped model {name!r}; available: {shipped}, or a path of an .onnx file'
        )
    return str(path)
