"""The site of the manual is complete, and needs no other server."""

from __future__ import annotations

from html.parser import HTMLParser
import os
from pathlib import Path
import re
import subprocess
import sys

import pytest

pytest.importorskip('mkdocs', reason='needs the extra [docs]')
pytest.importorskip('mkdocstrings', reason='needs the extra [docs]')

import face_classification_ros
from face_classification_ros.commands.registry import COMMANDS
from face_classification_ros.ros import client

ROOT = Path(__file__).resolve().parents[1]

LOADED = {'script': 'src', 'img': 'src', 'source': 'src', 'iframe': 'src', 'link': 'href'}
"""Element -> attribute with the address of what a browser loads for it."""


class PageReader(HTMLParser):
    """Collects what a page loads, and the names of its sections."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.sections: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Read an element."""
        attributes = dict(attrs)
        self.loaded.append(attributes.get(LOADED.get(tag, '')) or '')
        # The last part of the full name of a Python object.
        self.sections.add((attributes.get('id') or '').rpartition('.')[2])


def read_page(path: Path) -> PageReader:
    """Return what a page loads and its sections."""
    reader = PageReader()
    reader.feed(path.read_text())
    return reader


@pytest.fixture(scope='module')
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the site, which is built without any warning."""
    folder = tmp_path_factory.mktemp('site')
    options = ('--strict', '--config-file', ROOT / 'mkdocs.yml', '--site-dir', folder)
    done = subprocess.run(
        [sys.executable, '-m', 'mkdocs', 'build', *options],
        # Elsewhere than in the sources, so that the installed package is imported.
        cwd=folder,
        env={**os.environ, 'NO_MKDOCS_2_WARNING': '1'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def interface_names(folder: str) -> list[str]:
    """Return the sections of all messages, services or actions."""
    return [path.stem.lower() for path in (ROOT / folder).iterdir()]


@pytest.mark.parametrize(
    ('page', 'names'),
    [
        ('messages', interface_names('msg')),
        ('services', interface_names('srv')),
        ('actions', interface_names('action')),
        ('options', list(COMMANDS)),
        ('python', [*face_classification_ros.__all__, *client.__all__]),
    ],
)
def test_reference_has_a_section_for_each(site: Path, page: str, names: list[str]) -> None:
    """For every message, service, action, sub-command, and public name of library and client."""
    sections = read_page(site / 'reference' / f'{page}.html').sections
    assert [name for name in names if name not in sections] == []


def test_every_model_has_its_card(site: Path) -> None:
    """Also one that is added."""
    models = {path.stem for path in (ROOT / 'resource' / 'models').glob('*.onnx')}
    cards = {path.stem for path in (site / 'resource' / 'models').glob('*.html')}
    assert cards - {'index'} == models


def test_site_loads_nothing_from_other_servers(site: Path) -> None:
    """Neither scripts, styles and fonts nor images."""
    pages = list(site.rglob('*.html'))
    loaded = [address for page in pages for address in read_page(page).loaded]
    for style in site.rglob('*.css'):
        loaded += re.findall(r'(?:url\(|@import )[\'"]?([^\'")]+)', style.read_text())
    assert 'assets/javascripts/' in ' '.join(loaded)
    assert [address for address in loaded if re.match(r'(\w+:)?//', address)] == []
