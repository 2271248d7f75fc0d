"""Find images, videos and recordings, and plan where their annotated copies go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

IMAGE_SUFFIXES = {'.bmp', '.jpeg', '.jpg', '.png', '.ppm', '.tif', '.tiff', '.webp'}
VIDEO_SUFFIXES = {'.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.webm'}
BAG_SUFFIXES = {'.db3', '.mcap'}

IMAGE, VIDEO, BAG = 'image', 'video', 'bag'
"""Kinds of sources."""


@dataclass(frozen=True)
class Source:
    """A file to classify.

    Attributes:
        path: as the user named it; used in records and messages.
        name: path below the folder that the user named, for the annotated copy.
        kind: `IMAGE`, `VIDEO` or `BAG`.
        folder: folder that a relative `path` refers to, for processes with another one.
    """

    path: Path
    name: Path
    kind: str
    folder: Path = field(default_factory=Path.cwd)


def find_sources(paths: Iterable[Path]) -> list[Source]:
    """Return the files of a list of files and folders.

    A folder stands for all images, videos and recordings below it, a rosbag2 folder for one
    recording.

    Raises:
        FileNotFoundError: a path does not exist.
        ValueError: a path is a pipe or a device, which might never end.
    """
    sources = []
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f'{path} does not exist')
        if not (path.is_file() or path.is_dir()):
            raise ValueError(f'{path} is neither a file nor a folder')
        if _is_bag_folder(path):
            sources.append(Source(path, Path(path.resolve().name), BAG))
        elif path.is_dir():
            sources += [
                Source(each, each.relative_to(path), _kind(each)) for each in _find_below(path)
            ]
        else:
            sources.append(Source(path, Path(path.name), _kind(path)))
    return sources


def plan_copies(sources: Sequence[Source], output: Path, ending: str = '') -> list[Path]:
    """Return the path of the copy of each file.

    Args:
        sources: the files.
        output: folder of the copies.
        ending: appended to their names; without it names stay the same, except that videos and
            recordings become MP4.

    Raises:
        ValueError: a copy would overwrite an original or another copy.
    """
    originals = {source.path.resolve() for source in sources}
    copy_of: dict[Path, Path] = {}
    for source in sources:
        copy = output / f'{source.name}{ending}'
        if source.kind == VIDEO and not ending:
            copy = copy.with_suffix('.mp4')
        elif source.kind == BAG and not ending:
            # The name of a folder may contain dots.
            copy = copy.with_name(f'{copy.name}.mp4')
        if copy.resolve() in originals:
            raise ValueError(f'the annotated copy of {source.path} would overwrite {copy}')
        if copy in copy_of:
            raise ValueError(
                f'the annotated copies of {copy_of[copy]} and {source.path} would both be {copy}; '
                'classify them separately'
            )
        copy_of[copy] = source.path
    return list(copy_of)


def _find_below(folder: Path) -> Iterator[Path]:
    paths = sorted(folder.rglob('*'))
    bags = {
        path.parent
        for path in paths
        if path.name == 'metadata.yaml' and _is_bag_folder(path.parent)
    }
    suffixes = IMAGE_SUFFIXES | VIDEO_SUFFIXES | BAG_SUFFIXES
    for path in paths:
        suffix = path.suffix.lower()
        part_of_bag = suffix in BAG_SUFFIXES and path.parent in bags
        if path in bags or (suffix in suffixes and not part_of_bag and path.is_file()):
            yield path


def _is_bag_folder(path: Path) -> bool:
    # Other folders may have a metadata.yaml, too. A compressed file is called bag_0.mcap.zstd.
    return (path / 'metadata.yaml').is_file() and any(
        BAG_SUFFIXES & {suffix.lower() for suffix in each.suffixes} for each in path.iterdir()
    )


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return VIDEO
    return BAG if suffix in BAG_SUFFIXES or path.is_dir() else IMAGE
