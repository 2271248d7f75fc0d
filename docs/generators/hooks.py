"""Build the site from docs/ and from sources outside of it; mkdocs.yml names this module."""

from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import re
from typing import Any

import interfaces
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
import schemas
import texts

ROOT = Path(__file__).resolve().parents[2]

GENERATED: dict[str, tuple[str, Callable[[Path], str]]] = {
    'CHANGELOG.rst': ('changelog.md', texts.changelog),
    'face_classification_ros/commands': ('reference/options.md', texts.options),
    'face_classification_ros/training/recipe.py': ('reference/recipe.md', schemas.recipe),
    'msg': ('reference/messages.md', interfaces.messages),
    'srv': ('reference/services.md', interfaces.services),
    'action': ('reference/actions.md', interfaces.actions),
    'docs/reference/classify.schema.json': ('reference/results.md', schemas.results),
    'resource/models': ('resource/models/index.md', texts.model_cards),
}
"""Path in the repository -> page that is generated from it. Links to the path lead to the page."""

GENERATED_PAGES = [uri for uri, _ in GENERATED.values()]

COPIED = {
    'README.md': 'index.md',
    **{
        path: path
        for pattern in ('*.md', 'experiments/**/*.md', 'resource/models/*.md')
        for path in (str(each.relative_to(ROOT)) for each in sorted(ROOT.glob(pattern)))
        if path != 'README.md'
    },
}
"""Path of a page outside of docs/ -> its path on the site."""

ORIGINALS = {uri: path for path, uri in COPIED.items()}

LINK = re.compile(r'(?P<code>```.*?```|`[^`]*`)|\[(?P<text>[^]]*)\]\((?P<target>[^)\s]+)\)', re.S)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages whose sources are outside of docs/."""
    for path, (uri, generate) in GENERATED.items():
        files.append(File.generated(config, uri, content=generate(ROOT / path)))
    for path, uri in COPIED.items():
        files.append(File.generated(config, uri, content=(ROOT / path).read_text()))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Return a page whose links to the repository lead to pages of the site."""
    uri = page.file.src_uri
    if uri in GENERATED_PAGES:
        return markdown

    def replaced(match: re.Match[str]) -> str:
        if match['code'] or re.match('[a-z]+:|#', match['target']):
            return match[0]
        path, hash_sign, anchor = match['target'].partition('#')
        folder = os.path.dirname(ORIGINALS.get(uri, f'docs/{uri}'))
        target = site_page(os.path.normpath(os.path.join(folder, path)))
        if target is None:
            return match['text']
        relative = os.path.relpath(target, os.path.dirname(uri) or '.')
        return f'[{match["text"]}]({relative}{hash_sign}{anchor})'

    return LINK.sub(replaced, markdown)


def site_page(path: str) -> str | None:
    """Return the page of the site for a path of the repository.

    None for a file that exists but is no page: the site has no address of the repository. A path
    that does not exist is returned, so that MkDocs reports it.
    """
    if path in GENERATED:
        return GENERATED[path][0]
    if path in COPIED:
        return COPIED[path]
    is_outside = not path.startswith('docs/')
    return None if is_outside and (ROOT / path).exists() else path.removeprefix('docs/')
