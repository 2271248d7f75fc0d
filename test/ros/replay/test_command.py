"""`face_classification replay` and `sample-bag` return the exit codes of their results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import shutil

import pytest
from recordings import COUNT
import yaml

pytest.importorskip('pydantic', reason='needs the extra [replay]')

from face_classification_ros.commands.main import main
from face_classification_ros.ros.replay.replay import replay, ReplayOptions

MakeBag = Callable[..., Path]

EXPECTATION = {
    'faces': [{'to': 0.85, 'min': 1, 'max': 1}, {'from': 0.85, 'max': 0}],
    'tracks': [{'min': 1, 'max': 1}],
}
"""Of the frames of `make_bag`."""


def command(*arguments: str | Path) -> int:
    """Run `replay` in this process, and return its exit code."""
    return main(['replay', *map(str, arguments)])


@pytest.fixture
def expect(tmp_path: Path) -> Path:
    """Return the path of an expectation that the frames of `make_bag` meet."""
    file = tmp_path / 'expect.yaml'
    file.write_text(yaml.safe_dump(EXPECTATION))
    return file


def test_met_expectation_is_success(
    make_bag: MakeBag, expect: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The number of entries is printed."""
    assert command(make_bag(), '--offline', '--expect', expect) == 0
    assert '3 of 3' in capsys.readouterr().out


def test_unmet_expectation_is_reported(
    make_bag: MakeBag, expect: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The place of the entry is printed."""
    expect.write_text(yaml.safe_dump({**EXPECTATION, 'faces': [{'min': 1}]}))
    assert command(make_bag(), '--offline', '--expect', expect) == 1
    printed = capsys.readouterr().out
    assert 'faces[0]: ' in printed
    assert '1 of 2' in printed


@pytest.mark.parametrize('arguments', [['replay', '--offline'], ['classify']])
def test_incomplete_recording_returns_2(
    make_bag: MakeBag,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    """With `replay` and `classify`; its metadata promises more messages than it has."""
    bag = shutil.copytree(make_bag(), tmp_path / 'bag')
    metadata = bag / 'metadata.yaml'
    metadata.write_text(metadata.read_text().replace(f'count: {COUNT}', 'count: 500'))
    assert main([*arguments, str(bag)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(bag) in line
    assert '500' in line


def test_label_of_an_attribute_without_a_model_returns_2(
    make_bag: MakeBag, expect: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The available attributes are named."""
    expect.write_text(yaml.safe_dump({'labels': [{'attributes': {'hat': 'red'}}]}))
    assert command(make_bag(), '--offline', '--expect', expect) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert all(each in line for each in (str(expect), 'labels[0]', 'hat', 'gender', 'emotion'))


def test_proposed_expectation_is_met(make_bag: MakeBag, tmp_path: Path) -> None:
    """By the same recording, but not with other parameters."""
    file = tmp_path / 'proposal.yaml'
    assert command(make_bag(), '--offline', '--write-expectation', file) == 0
    assert command(make_bag(), '--offline', '--expect', file) == 0
    no_faces = ('--parameter', 'min_face_size:=230')
    assert command(make_bag(), '--offline', '--expect', file, *no_faces) == 1


def test_latency_is_compared_through_the_node_only(
    make_bag: MakeBag, online: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No node takes less than a microsecond; offline nothing is measured."""
    file = tmp_path / 'expect.yaml'
    file.write_text('latency: {p95: 0.000001}')
    assert command(make_bag(), '--rate', '10', '--expect', file) == 1
    assert 'latency: expected p95 ' in capsys.readouterr().out
    assert command(make_bag(), '--offline', '--expect', file) == 0


@pytest.mark.parametrize(
    ('arguments', 'problem'),
    [
        (['--rate', '0'], 'rate'),
        (['--topic', '/other'], '/other'),
        (['--depth', '/depth', '--rate', '1'], '/depth'),
        (['--parameter', 'smoothing:=1.0'], "'smoothing'"),
        (['--parameter', 'detection_size:=9'], 'detection_size'),
        (['--params-file', '/missing.yaml'], '/missing.yaml'),
        (['--expect', '/missing.yaml'], '/missing.yaml'),
    ],
)
def test_wrong_use_is_reported_in_one_line(
    arguments: list[str], problem: str, make_bag: MakeBag, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2."""
    assert command(make_bag(), *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('face_classification: ')
    assert problem in line


def test_sample_is_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To try a replay without a recording; an existing folder is not overwritten."""
    arguments = ['--storage', 'sqlite3', '--compressed', '--seconds', '2.4']
    assert main(['sample-bag', str(tmp_path / 'sample'), *arguments]) == 0
    assert '/camera/image_raw/compressed' in capsys.readouterr().out
    assert (tmp_path / 'sample' / 'sample.db3').is_file()
    result = replay(ReplayOptions(tmp_path / 'sample', offline=True))
    counts = [len(frame.faces) for frame in result.frames]
    # Somebody comes into an empty room.
    assert len(counts) == 36
    assert (counts[0], counts[-1]) == (0, 1)
    assert main(['sample-bag', str(tmp_path / 'sample')]) == 2
