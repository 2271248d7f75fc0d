"""Find images, videos and recordings, and plan where their annotated copies go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
import os
from pathlib import Path
import re

from face_classification_ros.io.errors import reading_file, UnreadableError

COPY_SUFFIXES = {'.bmp', '.jpeg', '.jpg', '.png', '.ppm', '.tif', '.tiff', '.webp'}
"""Formats of images that every OpenCV writes."""

# Some are readable with some versions of OpenCV only; the others report such files.
IMAGE_SUFFIXES = COPY_SUFFIXES | {
    '.avif',
    '.dib',
    '.gif',
    '.heic',
    '.heif',
    '.jfif',
    '.jp2',
    '.jpe',
    '.pbm',
    '.pgm',
    '.pnm',
}
VIDEO_SUFFIXES = {
    '.3g2',
    '.3gp',
    '.asf',
    '.avi',
    '.flv',
    '.m2ts',
    '.m4v',
    '.mkv',
    '.mov',
    '.mp4',
    '.mpeg',
    '.mpg',
    '.mts',
    '.ogv',
    '.ts',
    '.webm',
    '.wmv',
}
BAG_SUFFIXES = {'.db3', '.mcap'}

METADATA = 'metadata.yaml'
"""File that each rosbag2 folder has."""

ADDRESS = re.compile('[a-z][a-z0-9+.-]*:/')
"""Start of an address such as http://..., of which a path keeps one slash."""

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


@dataclass(frozen=True)
class FoundSources:
    """What is below the paths that a user names.

    Attributes:
        sources: the files to classify, in the order of their names.
        unreadable: folders without permission, broken links, pipes and the like.
        left_out: files of other kinds.
    """

    sources: list[Source] = field(default_factory=list)
    unreadable: list[UnreadableError] = field(default_factory=list)
    left_out: list[Path] = field(default_factory=list)


class NoSourceError(ValueError):
    """There is nothing to classify.

    Attributes:
        left_out: files of other kinds.
    """

    def __init__(self, paths: Iterable[Path], left_out: Sequence[Path]) -> None:
        """Name the paths."""
        super().__init__(
            f'no image, video or recording in {", ".join(map(str, paths))}; '
            f'files of other kinds: {len(left_out)}'
        )
        self.left_out = tuple(left_out)


def find_sources(paths: Sequence[Path], output: Path | None = None) -> FoundSources:
    """Find the files in a list of files and folders.

    A folder stands for all images, videos and recordings below it, also in linked folders, each
    of which is searched once; a rosbag2 folder for one recording. A file that is named several
    times is found once.

    Args:
        paths: files and folders.
        output: folder of the copies, which is not searched if it is below another folder.

    Raises:
        FileNotFoundError: a path does not exist.
        NoSourceError: there is nothing to classify.
        ValueError: a path is an address, or a pipe or a device, which might never end.
    """
    found = FoundSources()
    for path in paths:
        if not path.exists():
            if ADDRESS.match(str(path)):
                raise ValueError(f'{path}: addresses are not supported, only files and folders')
            raise FileNotFoundError(f'{path} does not exist')
        if not (path.is_file() or path.is_dir()):
            raise ValueError(f'{path} is neither a file nor a folder')
        if path.is_dir():
            _Search(path, output, found).run()
        else:
            found.sources.append(Source(path, Path(path.name), _kind(path) or IMAGE))
    first: dict[str, Source] = {}
    for source in found.sources:
        first.setdefault(os.path.abspath(source.path), source)
    found.sources[:] = first.values()
    if not (found.sources or found.unreadable):
        raise NoSourceError(paths, found.left_out)
    return found


def plan_copies(sources: Sequence[Source], output: Path, ending: str = '') -> list[Path]:
    """Return the path of the copy of each file.

    Args:
        sources: the files.
        output: folder of the copies.
        ending: appended to their names; without it names stay the same, except that videos and
            recordings become MP4, and images in a format that is not written become PNG.

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
        elif source.kind == IMAGE and not ending and copy.suffix.lower() not in COPY_SUFFIXES:
            copy = copy.with_name(f'{copy.name}.png')
        if copy.resolve() in originals:
            raise ValueError(f'the annotated copy of {source.path} would overwrite {copy}')
        if copy in copy_of:
            raise ValueError(
                f'the annotated copies of {copy_of[copy]} and {source.path} would both be {copy}; '
                'classify them separately'
            )
        copy_of[copy] = source.path
    return list(copy_of)


class _Search:
    """Searches a folder and everything below it."""

    def __init__(self, root: Path, output: Path | None, found: FoundSources) -> None:
        self._root = root
        self._found = found
        self._visited = {_identity(output)} if output is not None and output.is_dir() else set()

    def run(self) -> None:
        try:
            with reading_file(self._root):
                entries = _entries(self._root)
        except UnreadableError as error:
            self._found.unreadable.append(error)
            return
        if _is_bag(entries):
            source = Source(self._root, Path(self._root.resolve().name), BAG)
            self._found.sources.append(source)
        else:
            self._visited.add(_identity(self._root))
            self._add_all(entries, in_bag=False)

    def _add_all(self, entries: list[Path], *, in_bag: bool) -> None:
        for entry in entries:
            if in_bag and (_is_bag_file(entry) or entry.name == METADATA):
                continue
            try:
                with reading_file(entry):
                    self._add(entry)
            except UnreadableError as error:
                self._found.unreadable.append(error)

    def _add(self, path: Path) -> None:
        kind = _kind(path)
        if path.is_dir():
            self._add_folder(path)
        elif kind is None:
            self._found.left_out.append(path)
        elif not path.is_file():
            raise UnreadableError(path, 'is neither a file nor a folder', 'not_a_file')
        else:
            self._found.sources.append(Source(path, path.relative_to(self._root), kind))

    def _add_folder(self, folder: Path) -> None:
        # Links may form a circle.
        if _identity(folder) in self._visited:
            return
        self._visited.add(_identity(folder))
        entries = _entries(folder)
        is_bag = _is_bag(entries)
        if is_bag:
            self._found.sources.append(Source(folder, folder.relative_to(self._root), BAG))
        self._add_all(entries, in_bag=is_bag)


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _is_bag(entries: list[Path]) -> bool:
    """Check the content of a folder; others may have a metadata.yaml, too."""
    has_metadata = any(each.name == METADATA and each.is_file() for each in entries)
    return has_metadata and any(map(_is_bag_file, entries))


def _is_bag_file(path: Path) -> bool:
    # A compressed file is called bag_0.mcap.zstd.
    return bool(BAG_SUFFIXES & {suffix.lower() for suffix in path.suffixes})


def _kind(path: Path) -> str | None:
    suffix = path.suffix.lower()
    for kind, suffixes in ((IMAGE, IMAGE_SUFFIXES), (VIDEO, VIDEO_SUFFIXES), (BAG, BAG_SUFFIXES)):
        if suffix in suffixes:
            return kind
    return None
