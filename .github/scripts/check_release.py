"""Walk the check-list of a release: what a tag has to have, in order, with the cure of each.

python3 .github/scripts/check_release.py            all checks, also those that take an hour
python3 .github/scripts/check_release.py --quick    those that only read
python3 .github/scripts/check_release.py --tag 0.1.0    those of a tag that is being published
python3 .github/scripts/check_release.py --notes    print the newest section of the change log
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
import re
import subprocess
import sys
from typing import NamedTuple
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]

SECTION = re.compile(r'^(\S.*)\n-+\n', re.MULTILINE)
RELEASED = re.compile(r'(\d+\.\d+\.\d+) \(\d{4}-\d{2}-\d{2}\)')


class Section(NamedTuple):
    """A section of the change log.

    Attributes:
        title: `Forthcoming`, or a version with its date.
        content: the list of changes.
    """

    title: str
    content: str


def version(root: Path) -> str:
    """Return the version, which only package.xml has."""
    return ElementTree.parse(root / 'package.xml').findtext('version', '')


def newest_section(root: Path) -> Section:
    """Return the first section of CHANGELOG.rst."""
    _, title, content, *_ = SECTION.split((root / 'CHANGELOG.rst').read_text())
    return Section(title, content.strip())


def check_version(root: Path) -> str:
    """Return which other file has a version of its own, "" if none has."""
    for name, pattern in (('pyproject.toml', '^version'), ('CITATION.cff', '^version:')):
        if re.search(pattern, (root / name).read_text(), re.MULTILINE):
            return f'{name} has a version; only package.xml may have one'
    if not re.fullmatch(r'\d+\.\d+\.\d+', version(root)):
        return f'the version of package.xml is {version(root)!r}; expected three numbers'
    return ''


def check_changelog(root: Path) -> str:
    """Return what is wrong with the newest section of the change log, "" if nothing."""
    title = newest_section(root).title
    match = RELEASED.fullmatch(title)
    if match is None or match[1] != version(root):
        return (
            f'the newest section of CHANGELOG.rst is "{title}"; rename it to '
            f'"{version(root)} (year-month-day)"'
        )
    return ''


def check_address(root: Path) -> str:
    """Return which maintainer cannot be reached, to whom problems are reported, "" if none."""
    maintainers = ElementTree.parse(root / 'package.xml').iterfind('maintainer')
    addresses = [each.attrib['email'] for each in maintainers]
    unreal = [each for each in addresses if re.search(r'@([^@]+\.)?example\.[a-z]+$', each)]
    return f'package.xml has the placeholder {", ".join(unreal)} as address' if unreal else ''


def check_clean(root: Path) -> str:
    """Return which files are not committed, "" if all are."""
    changed = git(root, 'status', '--porcelain')
    return f'not committed: {" ".join(changed.split())}' if changed else ''


def check_tag(root: Path) -> str:
    """Return what is wrong with the tag of the version, "" if it is on the present commit."""
    name = version(root)
    if name not in git(root, 'tag', '--points-at', 'HEAD').split():
        return f'the present commit has no tag {name}: git tag --annotate {name}'
    return ''


def check_name_of_tag(root: Path, tag: str) -> str:
    """Return an error if a tag is not the version, "" otherwise."""
    return '' if tag == version(root) else f'the tag is {tag}, the version {version(root)}'


def git(root: Path, *arguments: str) -> str:
    """Return what a command of Git prints."""
    done = subprocess.run(
        ['git', '-C', str(root), *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.strip()


READING: dict[str, Callable[[Path], str]] = {
    'version in one place': check_version,
    'change log': check_changelog,
    'address of the maintainers': check_address,
    'all committed': check_clean,
    'tag': check_tag,
}
"""Checks that only read; each returns what to do, or ""."""

RUNNING = {
    'licenses': ['make', 'licenses'],
    'tests': ['make', 'test'],
    'docs': ['make', 'docs'],
    'source distribution': ['.github/scripts/build_distribution.sh', 'sdist'],
    'wheel in a fresh environment': ['.github/scripts/install_with_pip.sh', 'jazzy'],
}
"""Commands that have to succeed."""


def failures(root: Path, *, is_quick: bool, tag: str) -> int:
    """Run the checks, print a line for each, and return how many failed."""
    checks = dict(READING)
    if tag:
        del checks['tag']
        checks['name of the tag'] = lambda folder: check_name_of_tag(folder, tag)
    results = {}
    for name, check in checks.items():
        results[name] = check(root)
        report(name, results[name])
    for name, command in {} if is_quick or tag else RUNNING.items():
        code = subprocess.run(command, cwd=root).returncode
        results[name] = f'exit code {code}: {" ".join(command)}' if code else ''
        report(name, results[name])
    return sum(map(bool, results.values()))


def report(name: str, problem: str) -> None:
    """Print the result of a check."""
    print(f'failed  {name}: {problem}' if problem else f'ok      {name}', flush=True)


def main() -> int:
    """Do what the command line asks for, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='only the checks that read')
    parser.add_argument('--tag', default='', help='name of a tag that is being published')
    parser.add_argument('--notes', action='store_true', help='print the newest changes')
    parser.add_argument('--root', type=Path, default=ROOT, help='folder of the package')
    arguments = parser.parse_args()
    if arguments.notes:
        print(newest_section(arguments.root).content)
        return 0
    return int(failures(arguments.root, is_quick=arguments.quick, tag=arguments.tag) > 0)


if __name__ == '__main__':
    sys.exit(main())
