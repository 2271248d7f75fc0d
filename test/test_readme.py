"""The manual lists what the code has."""

from pathlib import Path
import re
import shlex

import pytest

from face_classification_ros.commands.main import create_parser
from face_classification_ros.commands.registry import COMMANDS
from face_classification_ros.config import DETECTORS
from face_classification_ros.io.image_encodings import ENCODINGS
from face_classification_ros.ros.view.status import CURES

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / 'docs' / 'reference'
PAGES = [
    ROOT / 'README.md',
    ROOT / 'CONTRIBUTING.md',
    ROOT / 'experiments' / 'README.md',
    *sorted((ROOT / 'docs').rglob('*.md')),
    *sorted((ROOT / 'resource' / 'models').glob('*.md')),
]

BLOCK = re.compile(r'^```(\w*)\n(.*?)^```$', re.DOTALL | re.MULTILINE)
SPAN = re.compile(r'`(face_classification [^`]* --[^`]*)`')
COMMAND = re.compile(r'(?:ros2 run face_classification_ros )?face_classification (.*)')


def commands_in(page: Path) -> list[str]:
    """Return the arguments of all commands in code blocks, and of those with options in text."""
    text = page.read_text()
    blocks = [content.replace('\\\n', ' ') for _, content in BLOCK.findall(text)]
    lines = [line for block in blocks for line in block.splitlines()]
    lines += [' '.join(span.split()) for span in SPAN.findall(BLOCK.sub('', text))]
    return [match[1] for line in lines if (match := COMMAND.match(line))]


@pytest.mark.parametrize(
    'command', sorted({command for page in PAGES for command in commands_in(page)})
)
def test_every_command_line_is_accepted(command: str) -> None:
    """The parser of the command knows all sub-commands, options and values of the manual."""
    create_parser().parse_args(shlex.split(command, comments=True))


@pytest.mark.parametrize(
    'page', ['README.md', 'docs/how_to/training.md', 'docs/explanation/performance.md']
)
def test_command_lines_are_found(page: str) -> None:
    """In code blocks, and in text where they have options."""
    assert len(commands_in(ROOT / page)) >= 5


def test_recipes_and_networks_of_the_manual_are_valid(tmp_path: Path) -> None:
    """A recipe of three lines is complete."""
    pytest.importorskip('pydantic', reason='needs the extra [train]')
    from face_classification_ros.networks.description import read_network
    from face_classification_ros.training.stages import read_stages

    path = tmp_path / 'example.yaml'
    page = (ROOT / 'docs' / 'how_to' / 'training.md').read_text()
    blocks = [content for language, content in BLOCK.findall(page) if language == 'yaml']
    recipes = [content for content in blocks if content.startswith('attributes:')]
    assert min(len(content.splitlines()) for content in recipes) == 3
    for content in blocks:
        path.write_text(content)
        if content in recipes:
            assert all(read_network(each.recipe.network).blocks for each in read_stages(path))
        else:
            assert read_network(str(path)).blocks


def test_every_encoding_is_listed() -> None:
    """The reference of the node lists all encodings that it accepts."""
    (row,) = re.findall(r'\| `image` \|.*', (REFERENCE / 'node.md').read_text())
    listed = row.replace('bayer_*8', 'bayer_rggb8, bayer_bggr8, bayer_gbrg8, bayer_grbg8')
    assert [encoding for encoding in ENCODINGS if encoding not in listed] == []


def test_every_topic_service_and_action_is_listed() -> None:
    """The reference of the node has all names below `~` that its modules use."""
    modules = (ROOT / 'face_classification_ros' / 'ros' / 'node').rglob('*.py')
    names = {name for path in modules for name in re.findall(r"'(~/\w+)", path.read_text())}
    page = (REFERENCE / 'node.md').read_text()
    assert len(names) > 10
    assert [name for name in sorted(names) if f'`{name}`' not in page] == []


@pytest.mark.parametrize('name', [*COMMANDS, *DETECTORS])
def test_every_command_and_detector_is_listed(name: str) -> None:
    """The reference of the command has a row for each."""
    assert re.search(rf'^\| `{name}[ `]', (REFERENCE / 'command.md').read_text(), re.MULTILINE)


@pytest.mark.parametrize('code', CURES)
def test_every_code_of_the_diagnostics_has_a_cure(code: str) -> None:
    """Troubleshooting has each, so that searching for it leads there."""
    page = (ROOT / 'docs' / 'how_to' / 'troubleshooting.md').read_text()
    assert f'`{code}`' in page
