"""What takes long shows a bar in a terminal, and nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable
import io
import os
from pathlib import Path
import subprocess
import sys

from command_process import ASTRONAUT
import cv2
import pytest

from face_classification_ros.commands.main import main
from face_classification_ros.progress import print_line, progress

ROOT = Path(__file__).resolve().parents[1]


class Terminal(io.StringIO):
    """A stderr that is a terminal."""

    def isatty(self) -> bool:
        """Return that it is one."""
        return True


def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Let stderr be a terminal, and return it; not in a fixture, after which pytest captures."""
    terminal = Terminal()
    monkeypatch.setattr(sys, 'stderr', terminal)
    return terminal


def test_bar_counts_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first state appears before the first item, which may take long."""
    terminal = open_terminal(monkeypatch)
    items = iter(progress(['a', 'b'], 'image', task='search'))
    next(items)
    assert 'search' in terminal.getvalue() and '0/2' in terminal.getvalue()
    assert list(items) == ['b']


def test_line_appears_above_the_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Results go to stdout as without a bar."""
    open_terminal(monkeypatch)
    for item in progress(['a'], 'image'):
        print_line(item)
    assert capsys.readouterr().out == 'a\n'


def test_no_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Logs stay readable."""
    assert list(progress(range(3), 'image')) == [0, 1, 2]
    assert capsys.readouterr().err == ''


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder per label with images of two genders."""
    image = cv2.imread(str(ASTRONAUT))
    for split in ('train', 'val', 'test'):
        for label in ('woman', 'man'):
            for number in range(2):
                path = tmp_path / 'data' / split / label / f'{number}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                # The head, at different places.
                cv2.imwrite(str(path), image[20 + number : 200, 150 : 300 - len(split)])
    return tmp_path / 'data'


@pytest.mark.parametrize(
    ('command', 'needs'),
    [
        (lambda data: ['classify', data], 'numpy'),
        (lambda data: ['evaluate', 'gender', '--data', data], 'numpy'),
        (lambda data: ['evaluate', 'gender', '--data', data, '--box-robustness'], 'numpy'),
        (lambda data: ['audit', 'gender', '--data', data], 'scipy'),
        (
            lambda data: [
                *('crop-margins', '--data', data, '--faces', 4),
                *('--model', 'gender_mini_xception'),
            ],
            'numpy',
        ),
        (
            lambda data: [
                *('explain', '--data', data, '--model', 'gender_mini_xception'),
                *('--output', data.parent / 'explanation'),
            ],
            'numpy',
        ),
        (lambda data: ['benchmark', '--rounds', 1], 'numpy'),
        (lambda data: ['sample-bag', data.parent / 'bag', '--seconds', 0.2], 'rosbags'),
    ],
    ids=lambda value: '-'.join(map(str, value(Path('x')))) if callable(value) else value,
)
def test_command_shows_progress(
    command: Callable[[Path], list[object]],
    needs: str,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every command whose work grows with its input."""
    terminal = open_terminal(monkeypatch)
    pytest.importorskip(needs)
    assert main(list(map(str, command(data)))) == 0, terminal.getvalue()
    assert '%|' in terminal.getvalue()


def test_replay_shows_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bar counts the images that were played."""
    terminal = open_terminal(monkeypatch)
    pytest.importorskip('pydantic', reason='needs the extra [replay]')
    pytest.importorskip('rosbags', reason='needs the extra [replay]')
    bag = str(tmp_path / 'bag')
    assert main(['sample-bag', bag, '--seconds', '0.2']) == 0
    assert main(['replay', bag, '--offline']) == 0
    assert 'replay: 0 image' in terminal.getvalue()


def test_networks_show_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measuring a network takes seconds."""
    terminal = open_terminal(monkeypatch)
    pytest.importorskip('tensorflow', reason='needs the extra [train]')
    assert main(['networks', 'mini_xception', '--no-latency']) == 0
    assert '%|' in terminal.getvalue()


@pytest.mark.parametrize(
    'script', sorted((ROOT / 'benchmarks').glob('*.py')), ids=lambda p: p.stem
)
def test_benchmarks_show_progress(script: Path) -> None:
    """Each takes minutes, but the one that runs every model once."""
    source = script.read_text()
    assert 'in progress(' in source or script.stem in ('reference_predictions', 'transport')


@pytest.mark.parametrize(
    ('variables', 'arguments'),
    [([], []), (['ROUNDS=20', 'YUNET=y.onnx'], ['--yunet', 'y.onnx', '--rounds', '20'])],
)
def test_make_passes_options_to_peers(variables: list[str], arguments: list[str]) -> None:
    """`make peers ROUNDS=20` takes a fifth of the time."""
    # Without those of a `make test` that runs this test.
    environment = {name: value for name, value in os.environ.items() if 'MAKE' not in name}
    done = subprocess.run(
        ['make', '--dry-run', '--assume-old=.venv/test', 'peers', *variables],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    command = done.stdout.replace('\\\n', ' ').replace("'", '').partition('benchmarks/peers.py')[2]
    assert command.split() == arguments
