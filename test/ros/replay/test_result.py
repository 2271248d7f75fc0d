"""The results of a replay are counted, and written as JSON and as a bag."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from recordings import COUNT, FPS, moving_face
from rosbags.highlevel import AnyReader
from rosbags.typesys import get_typestore, Stores

from face_classification_ros.inference.model_zoo import share_folder
from face_classification_ros.io.bag_writer import write_sample
from face_classification_ros.io.errors import UnreadableError
from face_classification_ros.ros.replay.outcome import FrameOutcome, FrameStatus
from face_classification_ros.ros.replay.replay import replay, ReplayOptions
from face_classification_ros.ros.replay.result import FACES_TOPIC, ReplayResult

MakeBag = Callable[..., Path]


def test_images_are_counted_by_status() -> None:
    """Invalid ones by their number."""
    result = ReplayResult('bag')
    result.add(FrameOutcome(0, 0, FrameStatus.RATE_LIMITED))
    result.add(FrameOutcome(1, 0, FrameStatus.INVALID, error='too short'))
    assert (result.frames, result.rate_limited, result.invalid) == ([], 1, {1: 'too short'})
    assert result.summary() == (
        'images: 0 processed, 1 rate limited, 1 invalid; faces: 0; tracks: 0'
    )


@pytest.mark.parametrize('suffix', ['.json', '.jsonl'])
def test_json_has_one_record_per_processed_image(
    suffix: str, make_bag: MakeBag, tmp_path: Path
) -> None:
    """The records are those of `FrameFaces`, as the schema of the manual describes them."""
    path = tmp_path / f'faces{suffix}'
    result = replay(ReplayOptions(make_bag(), offline=True), path)
    text = path.read_text()
    lines = text.splitlines() if suffix == '.jsonl' else []
    records = [json.loads(line) for line in lines] or json.loads(text)
    assert records == json.loads(json.dumps([frame.to_dict() for frame in result.frames]))
    assert len(records) == COUNT
    schema = Path(__file__).parents[3] / 'docs' / 'reference' / 'classify.schema.json'
    jsonschema.validate(records, json.loads(schema.read_text()))


def read_bag(path: Path) -> tuple[Any, list[tuple[int, Any]]]:
    """Return the connection of a bag, and its messages with the times of their recording.

    Only the definitions that the bag contains are used.
    """
    with AnyReader([path], default_typestore=get_typestore(Stores.EMPTY)) as reader:
        (connection,) = reader.connections
        messages = [
            (time, reader.deserialize(data, each.msgtype))
            for each, time, data in reader.messages()
        ]
    return connection, messages


def test_recorded_bag_can_be_read_by_others(make_bag: MakeBag, tmp_path: Path) -> None:
    """It contains the definitions of its messages, with the type hash of this package."""
    path = tmp_path / 'faces'
    replay(ReplayOptions(make_bag(), offline=True), path)
    connection, messages = read_bag(path)
    assert connection.topic == FACES_TOPIC
    hashes = json.loads((share_folder() / 'msg' / 'FaceAttributesArray.json').read_text())
    assert connection.digest == hashes['type_hashes'][0]['hash_string']
    assert len(messages) == COUNT


def test_recorded_bag_has_the_faces_and_times_of_the_images(
    make_bag: MakeBag, tmp_path: Path
) -> None:
    """`faces.json` next to it has the same faces."""
    path = tmp_path / 'faces'
    replay(ReplayOptions(make_bag(), offline=True), path)
    _, messages = read_bag(path)
    records = json.loads((path / 'faces.json').read_text())
    for (time, message), record in zip(messages, records, strict=True):
        stamp = message.header.stamp
        assert 0 < time - (stamp.sec * 10**9 + stamp.nanosec) < 10**8
        assert [face.track_id for face in message.faces] == [
            face['track_id'] for face in record['faces']
        ]
        assert [{each.name: each.label for each in face.attributes} for face in message.faces] == [
            {name: each['label'] for name, each in face['attributes'].items()}
            for face in record['faces']
        ]


def test_existing_folder_is_not_overwritten(make_bag: MakeBag, tmp_path: Path) -> None:
    """A typing error does not delete a long recording."""
    (tmp_path / 'faces').mkdir()
    with pytest.raises(OSError, match='faces'):
        replay(ReplayOptions(make_bag(), offline=True), tmp_path / 'faces')


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_truncated_bag_is_replayed_up_to_its_end(storage: str, tmp_path: Path) -> None:
    """The record is complete up to the error."""
    path = tmp_path / 'bag'
    write_sample(path, moving_face(), FPS, storage, compressed=False)
    (file,) = (each for each in path.iterdir() if each.suffix != '.yaml')
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(UnreadableError) as caught:
        replay(ReplayOptions(path, offline=True), tmp_path / 'faces.json')
    assert caught.value.path == path
    assert isinstance(json.loads((tmp_path / 'faces.json').read_text()), list)
