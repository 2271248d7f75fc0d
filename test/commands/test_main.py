"""The command as a whole: its sub-commands, help texts and exit codes."""

from collections.abc import Sequence
import importlib
import os
from pathlib import Path
import re
import subprocess
import sys
from xml.etree import ElementTree

from command_process import ASTRONAUT, COMMAND, run
import pytest

from face_classification_ros.commands import main as command
from face_classification_ros.commands.registry import COMMANDS


@pytest.mark.parametrize('name', COMMANDS)
def test_a_sub_command_has_a_help_text(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It shows the summary of the module and a phrase for every option."""
    with pytest.raises(SystemExit) as stopped:
        command.main([name, '--help'])
    assert stopped.value.code == 0
    text = ' '.join(capsys.readouterr().out.split())
    module = importlib.import_module(f'face_classification_ros.commands.{COMMANDS[name]}')
    assert str(module.__doc__).splitlines()[0] in text


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    """It is printed, and the exit code is 0."""
    with pytest.raises(SystemExit) as stopped:
        command.main(['--version'])
    assert stopped.value.code == 0
    package = ElementTree.parse(Path(__file__).parents[2] / 'package.xml')
    assert capsys.readouterr().out.split()[1:] == [package.findtext('version')]


def test_every_option_has_a_help_text() -> None:
    """Each is a phrase that does not end with a full stop."""
    for name, parser in sub_parsers().items():
        for action in parser._actions:
            assert action.help and not action.help.endswith('.'), (name, action.dest)


def sub_parsers() -> dict[str, command.argparse.ArgumentParser]:
    """Return name -> parser of all sub-commands."""
    (commands,) = (
        action
        for action in command.create_parser()._actions
        if isinstance(action, command.argparse._SubParsersAction)
    )
    return dict(commands.choices)


def test_the_command_starts_without_other_packages() -> None:
    """No other package is loaded before a sub-command runs, so that `doctor` needs none."""
    program = (
        'import sys; before = set(sys.modules); '
        'from face_classification_ros.commands.main import create_parser; create_parser(); '
        'new = {name.partition(".")[0] for name in set(sys.modules) - before}; '
        'print(*new - sys.stdlib_module_names - {"face_classification_ros"})'
    )
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, cwd='/')
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_no_sub_command_knows_an_attribute() -> None:
    """Attributes are free text, so that a new model needs no change here."""
    folder = Path(command.__file__).parent
    hits = [
        f'{path.name}: {line.strip()}'
        for path in folder.glob('*.py')
        for line in path.read_text().splitlines()
        if re.search('gender', line)
    ]
    assert not hits


@pytest.mark.parametrize(
    ('arguments', 'problem'),
    [
        ([], 'COMMAND'),
        (['classify'], 'PATH'),
        (['unknown'], "'unknown'"),
        (['classify', 'nowhere.png'], 'nowhere.png'),
        (['classify', '{image}', '--models', 'none'], "'none'"),
        (['classify', '{image}', '--models', '/none.onnx'], '/none.onnx'),
        (['classify', '{image}', '--attributes', 'none'], "'none'"),
        (['classify', '{image}', '--detector', 'none'], '--detector'),
        (['classify', '{image}', '--detector', 'yunet'], 'yunet'),
        (['classify', '{image}', '--detection-threshold', '7'], '--detection-threshold: 7'),
        (['classify', '{image}', '--unknown-threshold', 'none=0.5'], 'unknown_threshold.none'),
        (['evaluate', 'none', '--data', '{tmp}'], "'none'"),
        (['evaluate', 'emotion', '--data', '/nowhere'], '/nowhere'),
        (['audit', 'emotion', '--data', '/nowhere'], '/nowhere'),
        (['evaluate', 'emotion', '--data', ''], '--data: '),
        (['audit', 'emotion', '--data', ''], '--data: '),
        (['explain', '--data', ''], '--data: '),
        (['crop-margins', '--data', ''], '--data: '),
        (['train', 'recipe.yaml', '--data', '', '--output', 'run'], '--data: '),
        (['train', 'recipe.yaml', '--data', '{tmp}', '--output', ''], '--output: '),
        (['explain'], '--data'),
        (['explain', '{image}', '--method', 'lime'], "'lime'"),
        (['crop-margins', '--data', '/nowhere'], '/nowhere'),
        (['sample-bag', '{tmp}/bag', '--seconds', '0'], '--seconds: 0'),
        (['demo', '--output', '{tmp}/demo', '--seconds', '-1'], '--seconds: -1'),
        (
            ['demo', '--output', '{tmp}/demo', '--camera', '9', '--seconds', 'nan'],
            '--seconds: nan',
        ),
        (['demo', '--output', '{tmp}/demo', '--seconds', 'long'], '--seconds: '),
        (['demo', '--view', '--output', '{tmp}/demo'], '--output'),
        (['explain', '--data', '{tmp}', '--faces', '-3'], '--faces: -3'),
        (['audit', 'emotion', '--data', '{tmp}', '--faces', '0'], '--faces: 0'),
        (['crop-margins', '--data', '{tmp}', '--faces', '0'], '--faces: 0'),
        (['crop-margins', '--data', '{tmp}', '--faces', '1.5'], '--faces: '),
        (['demo', '--video', '/nowhere.mp4', '--output', '{tmp}'], '/nowhere.mp4'),
        (['benchmark', '--size', '640'], '--size'),
        (['benchmark', '--faces', '-1'], '--faces -1'),
        (['benchmark', '--num-threads', '0'], '--num-threads: 0'),
        (['benchmark', '--detection-interval', '0'], '--detection-interval: 0'),
        (['train', '/nowhere.yaml', '--data', '{tmp}', '--output', '{tmp}/out'], '/nowhere.yaml'),
        (['networks', '--heads', 'none'], '--heads none'),
    ],
)
def test_wrong_use_is_reported_in_one_line(
    arguments: Sequence[str], problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, nothing on stdout and one line on stderr."""
    if arguments and arguments[0] in ('train', 'networks'):
        pytest.importorskip('tensorflow', reason='needs the extra [train]')
    paths = {'image': ASTRONAUT, 'tmp': tmp_path}
    code: object
    try:
        code = command.main([each.format(**paths) for each in arguments])
    except SystemExit as stopped:
        code = stopped.code
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, '')
    assert captured.err.startswith('face_classification')
    (line,) = captured.err.splitlines()
    assert problem in line
    assert 'Errno' not in line


@pytest.mark.parametrize(
    'arguments',
    [
        ['classify', '{image}', '--json', '{path}'],
        ['classify', '{image}', '--output', '{path}'],
        ['train', '{path}', '--data', '{tmp}', '--output', '{tmp}/out'],
        ['benchmark', '--rounds', '1', '--json', '{path}'],
    ],
    ids=lambda arguments: ' '.join(arguments),
)
def test_a_path_below_a_file_is_named(
    arguments: Sequence[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one line with the path and the reason, without the number of the error."""
    if arguments[0] == 'train':
        pytest.importorskip('tensorflow', reason='needs the extra [train]')
    (tmp_path / 'file').write_text('a file')
    paths = {'image': ASTRONAUT, 'tmp': tmp_path, 'path': tmp_path / 'file' / 'below'}
    assert command.main([each.format(**paths) for each in arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / 'file') in line
    assert 'Errno' not in line


@pytest.mark.parametrize('place', ['command', 'import'])
def test_an_interruption_is_reported_in_one_line(
    place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 after Ctrl-C, also if a library raises an ImportError for it."""
    from face_classification_ros.commands import doctor

    def interrupted(_: object) -> int:
        if place == 'import':
            raise ImportError('initialization failed') from KeyboardInterrupt()
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, 'run', interrupted)
    assert command.main(['doctor']) == 1
    assert capsys.readouterr().err == 'face_classification: interrupted\n'


@pytest.mark.parametrize('arguments', [['--help'], ['classify', str(ASTRONAUT)], ['doctor']])
def test_a_reader_that_stops_reading_ends_the_command(arguments: Sequence[str]) -> None:
    """As `head` does: exit code 1 and no message."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [COMMAND, *arguments],
            stdout=writer,
            stderr=subprocess.PIPE,
            env={**os.environ, 'PYTHONUNBUFFERED': ''},
            text=True,
            timeout=120,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, '')


def test_the_installed_program_returns_the_exit_code() -> None:
    """The process ends with what `main` returns."""
    assert run('classify', 'nowhere.png').returncode == 2
    assert run('--help').returncode == 0


@pytest.mark.parametrize('encoding', ['ascii', 'utf-8', 'latin-1'])
@pytest.mark.parametrize('name', ['Jürgen'.encode(), b'J\xfcrgen', '\u65e5\u672c'.encode()])
def test_names_are_printed_in_any_encoding(tmp_path: Path, encoding: str, name: bytes) -> None:
    """Names with letters that the terminal lacks, in results and in messages."""
    image = tmp_path / os.fsdecode(name + b'.png')
    image.write_bytes(ASTRONAUT.read_bytes())
    (tmp_path / os.fsdecode(name + b'.jpg')).write_bytes(b'no image')
    done = subprocess.run(
        [COMMAND, 'classify', str(tmp_path)],
        env={**os.environ, 'PYTHONIOENCODING': encoding},
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert len(done.stdout.splitlines()) == len(done.stderr.splitlines()) == 1
