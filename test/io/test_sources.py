"""Images, videos and recordings are found below folders, and their copies planned."""

from collections.abc import Iterator
import os
from pathlib import Path

import pytest

from face_classification_ros.io.sources import (
    BAG,
    find_sources,
    IMAGE,
    NoSourceError,
    plan_copies,
    VIDEO,
)


def touch(folder: Path, *names: str) -> None:
    """Create empty files."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found(*paths: Path) -> list[tuple[str, str]]:
    """Return name and kind of all sources."""
    return [(str(source.name), source.kind) for source in find_sources(paths).sources]


def test_a_folder_stands_for_all_files_of_known_kinds(tmp_path: Path) -> None:
    """In the order of their names, with suffixes in upper or lower case."""
    touch(tmp_path, 'b.MP4', 'a.jpg', 'c/d.PNG', 'notes.txt', 'e.mcap')
    expected = [('a.jpg', IMAGE), ('b.MP4', VIDEO), ('c/d.PNG', IMAGE), ('e.mcap', BAG)]
    assert found(tmp_path) == expected


@pytest.mark.parametrize('name', ['bag_0.mcap', 'bag_0.db3', 'bag_0.mcap.zstd'])
def test_a_rosbag2_folder_is_one_recording(tmp_path: Path, name: str) -> None:
    """By itself and below another folder."""
    touch(tmp_path, f'bag/{name}', 'bag/metadata.yaml', 'a.jpg')
    assert found(tmp_path / 'bag') == [('bag', BAG)]
    assert found(tmp_path) == [('a.jpg', IMAGE), ('bag', BAG)]


def test_a_folder_with_its_own_metadata_is_not_a_recording(tmp_path: Path) -> None:
    """Data sets have a metadata.yaml, too."""
    touch(tmp_path, 'a.png', 'metadata.yaml')
    assert found(tmp_path) == [('a.png', IMAGE)]


def test_a_named_file_of_unknown_kind_is_taken_as_an_image(tmp_path: Path) -> None:
    """The content decides, as in OpenCV."""
    touch(tmp_path, 'photo')
    assert found(tmp_path / 'photo') == [('photo', IMAGE)]


def test_a_file_that_is_named_twice_is_found_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same path, by another one, and by its folder; its first name counts."""
    touch(tmp_path, 'in/a.png', 'in/b.png')
    monkeypatch.chdir(tmp_path)
    name = Path('in/a.png')
    sources = find_sources([name, name, name.absolute(), tmp_path / 'in']).sources
    assert [source.path for source in sources] == [name, tmp_path / 'in' / 'b.png']
    assert len(plan_copies(sources, Path('out'))) == 2


def test_a_missing_path_is_rejected(tmp_path: Path) -> None:
    """The error names it."""
    with pytest.raises(FileNotFoundError, match='nowhere'):
        find_sources([tmp_path / 'nowhere'])


def test_an_address_is_rejected() -> None:
    """Nothing is downloaded."""
    with pytest.raises(ValueError, match='http'):
        find_sources([Path('http://example.com/a.jpg')])


def test_a_pipe_is_rejected(tmp_path: Path) -> None:
    """Whatever writes into it may never come."""
    os.mkfifo(tmp_path / 'pipe.png')
    with pytest.raises(ValueError, match=r'pipe\.png is neither a file nor a folder'):
        find_sources([tmp_path / 'pipe.png'])


def test_copies_of_videos_and_recordings_are_mp4(tmp_path: Path) -> None:
    """Copies of images keep their names; folders stay the same."""
    touch(tmp_path, 'in/a.jpg', 'in/b/c.avi', 'in/d.mcap')
    sources = find_sources([tmp_path / 'in']).sources
    output = tmp_path / 'out'
    assert plan_copies(sources, output) == [
        output / 'a.jpg',
        output / 'b' / 'c.mp4',
        output / 'd.mcap.mp4',
    ]
    assert plan_copies(sources[:1], output, '.png') == [output / 'a.jpg.png']


def test_a_copy_that_would_overwrite_an_original_is_rejected(tmp_path: Path) -> None:
    """Also through a symbolic link."""
    touch(tmp_path, 'in/a.jpg')
    (tmp_path / 'link').symlink_to(tmp_path / 'in')
    with pytest.raises(ValueError, match='overwrite'):
        plan_copies(find_sources([tmp_path / 'in']).sources, tmp_path / 'link')


def test_two_copies_of_the_same_name_are_rejected(tmp_path: Path) -> None:
    """A video in two formats would become one file."""
    touch(tmp_path, 'in/a.avi', 'in/a.mp4')
    with pytest.raises(ValueError, match='both'):
        plan_copies(find_sources([tmp_path / 'in']).sources, tmp_path / 'out')


def test_files_of_other_kinds_are_left_out(tmp_path: Path) -> None:
    """They are listed, also those next to a recording, whose own files are not."""
    touch(tmp_path, 'a.jpg', 'b.txt', 'bag/bag_0.mcap', 'bag/metadata.yaml', 'bag/notes.md')
    result = find_sources([tmp_path])
    assert [each.name.name for each in result.sources] == ['a.jpg', 'bag']
    assert result.left_out == [tmp_path / 'b.txt', tmp_path / 'bag' / 'notes.md']
    assert result.unreadable == []


def test_a_folder_without_anything_to_classify_is_an_error(tmp_path: Path) -> None:
    """The number of other files is known."""
    touch(tmp_path, 'a.txt', 'b/c.md')
    with pytest.raises(NoSourceError) as caught:
        find_sources([tmp_path])
    assert len(caught.value.left_out) == 2


def test_linked_folders_are_searched_once(tmp_path: Path) -> None:
    """Also a circle of links ends."""
    touch(tmp_path, 'in/a.jpg', 'other/b.jpg')
    (tmp_path / 'in' / 'link').symlink_to(tmp_path / 'other')
    (tmp_path / 'in' / 'same').symlink_to(tmp_path / 'other')
    (tmp_path / 'other' / 'circle').symlink_to(tmp_path / 'in')
    assert found(tmp_path / 'in') == [('a.jpg', IMAGE), ('link/b.jpg', IMAGE)]


def test_broken_links_pipes_and_closed_folders_are_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is named, and the others are found."""
    touch(tmp_path, 'a.jpg', 'closed/b.jpg')
    (tmp_path / 'broken.jpg').symlink_to(tmp_path / 'nowhere')
    (tmp_path / 'circle.jpg').symlink_to(tmp_path / 'circle.jpg')
    os.mkfifo(tmp_path / 'pipe.png')
    iterdir = Path.iterdir

    def refuse(folder: Path) -> Iterator[Path]:
        if folder.name == 'closed':
            raise PermissionError(13, 'Permission denied')
        return iterdir(folder)

    # The owner of all files is not refused.
    monkeypatch.setattr(Path, 'iterdir', refuse)
    result = find_sources([tmp_path])
    assert [each.name.name for each in result.sources] == ['a.jpg']
    assert {each.path.name: each.code for each in result.unreadable} == {
        'broken.jpg': 'not_a_file',
        'circle.jpg': 'not_a_file',
        'closed': 'system',
        'pipe.png': 'not_a_file',
    }


def test_the_output_folder_is_not_searched(tmp_path: Path) -> None:
    """Unless the user names it."""
    touch(tmp_path, 'a.jpg', 'out/a.jpg')
    output = tmp_path / 'out'
    assert [each.path for each in find_sources([tmp_path], output).sources] == [tmp_path / 'a.jpg']
    assert [each.path for each in find_sources([output], output).sources] == [output / 'a.jpg']
