"""Results are written as JSON that follows the documented schema."""

import errno
import json
import os
from pathlib import Path
import threading
from typing import Any

from command_process import ASTRONAUT, write_video
import jsonschema
import pytest

from face_classification_ros.commands.main import main
from face_classification_ros.io.records import record_writer, write_json
from face_classification_ros.types import BoundingBox, Detection, Face, FrameFaces

SCHEMA = json.loads(
    (Path(__file__).resolve().parents[2] / 'docs/reference/classify.schema.json').read_text()
)
FACE = Face(Detection(BoundingBox(-5, 10, 20, 30), 0.9), track_id='7', position=(0.1, -0.2, 1.5))
FRAMES = [
    FrameFaces(640, 480, (FACE,), stamp=1.5, file='a.mp4'),
    FrameFaces(640, 480, (), stamp=1.6, frame=1, file='a.mp4', latency=0.02),
]


def validate(records: list[Any]) -> None:
    """Check records against the schema, which must be valid itself."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(records)


def write(path: Path, frames: list[FrameFaces]) -> None:
    """Write frames to a file."""
    with record_writer(path) as write_record:
        for frame in frames:
            write_record(frame)


@pytest.mark.parametrize('count', [0, 1, 2])
def test_a_json_file_is_an_array(tmp_path: Path, count: int) -> None:
    """Also an empty one."""
    write(tmp_path / 'a.json', FRAMES[:count])
    records = json.loads((tmp_path / 'a.json').read_text())
    assert records == [frame.to_dict() for frame in FRAMES[:count]]
    validate(records)


@pytest.mark.parametrize('count', [0, 1, 2])
def test_a_jsonl_file_has_one_record_per_line(tmp_path: Path, count: int) -> None:
    """Nothing but records."""
    write(tmp_path / 'a.jsonl', FRAMES[:count])
    lines = (tmp_path / 'a.jsonl').read_text().splitlines()
    assert [json.loads(line) for line in lines] == [frame.to_dict() for frame in FRAMES[:count]]


def test_a_jsonl_file_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    """Each record is in the file when the next one comes."""
    path = tmp_path / 'a.jsonl'
    with record_writer(path) as write_record:
        for count, frame in enumerate(FRAMES, start=1):
            write_record(frame)
            assert len(path.read_text().splitlines()) == count


@pytest.mark.parametrize('name', ['a.json', 'a.jsonl'])
def test_an_exception_leaves_a_complete_file(tmp_path: Path, name: str) -> None:
    """All records before it can be read."""
    path = tmp_path / name
    with pytest.raises(KeyboardInterrupt), record_writer(path) as write_record:
        write_record(FRAMES[0])
        raise KeyboardInterrupt
    text = path.read_text()
    records = json.loads(text) if name == 'a.json' else [json.loads(text)]
    assert records == [FRAMES[0].to_dict()]


def test_a_pipe_gets_the_same_as_a_file(tmp_path: Path) -> None:
    """Another program may read the records as they come."""
    os.mkfifo(tmp_path / 'pipe')
    writer = threading.Thread(target=write, args=(tmp_path / 'pipe', FRAMES))
    writer.start()
    text = (tmp_path / 'pipe').read_text()
    writer.join()
    assert json.loads(text) == [frame.to_dict() for frame in FRAMES]


def test_the_folder_of_a_file_is_created(tmp_path: Path) -> None:
    """Work of minutes is not lost because of a folder that does not exist."""
    write(tmp_path / 'new' / 'folder' / 'a.jsonl', FRAMES)
    write_json(tmp_path / 'other' / 'a.json', [])
    assert len((tmp_path / 'new' / 'folder' / 'a.jsonl').read_text().splitlines()) == len(FRAMES)
    assert json.loads((tmp_path / 'other' / 'a.json').read_text()) == []


def test_an_error_of_the_reader_is_not_that_of_the_file(tmp_path: Path) -> None:
    """Such as a closed terminal: the error names no file."""
    with pytest.raises(OSError) as raised, record_writer(tmp_path / 'a.json'):
        raise OSError(errno.ENOSPC, 'of something else')
    assert raised.value.filename is None


@pytest.mark.parametrize('writer', [record_writer, lambda path: write_json(path, [])])
def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, writer: Any) -> None:
    """The error has the path, here of a folder."""
    path = tmp_path / 'a.json'
    path.mkdir()
    with pytest.raises(OSError) as raised:
        writer(path).__enter__()
    assert raised.value.filename == str(path)


def test_real_results_follow_the_schema(tmp_path: Path) -> None:
    """Those of an image, of a video with tracks, and without attributes."""
    write_video(tmp_path / 'walk.mp4', 3)
    paths = [str(ASTRONAUT), str(tmp_path / 'walk.mp4')]
    for name, options in {'all': [], 'none': ['--models', '']}.items():
        path = tmp_path / f'{name}.json'
        assert main(['classify', *paths, '--json', str(path), *options]) == 0
        records = json.loads(path.read_text())
        assert sum(len(record['faces']) for record in records) == 4
        validate(records)


@pytest.mark.parametrize(
    'change',
    [
        {'faces': None},
        {'frame': -1},
        {'file': 3},
        {'unknown': 1},
        {'faces': [{**FACE.to_dict(), 'landmarks': [[1, 2]]}]},
        {'faces': [{**FACE.to_dict(), 'box': [1, 2, 3]}]},
        {'faces': [{**FACE.to_dict(), 'attributes': {'Gender': {}}}]},
    ],
)
def test_the_schema_rejects_other_records(change: dict[str, Any]) -> None:
    """It is not so wide that it accepts anything."""
    with pytest.raises(jsonschema.ValidationError):
        validate([{**FRAMES[0].to_dict(), **change}])
