"""What surrounds the code agrees with it: workflows, scripts, release, manifest, citation."""

from __future__ import annotations

import os
from pathlib import Path
import re
import shutil
import subprocess
import sys
import tarfile
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / '.github' / 'workflows').glob('*.yml'))
SCRIPTS = sorted((ROOT / '.github' / 'scripts').glob('*.sh'))
CHECK_RELEASE = ROOT / '.github' / 'scripts' / 'check_release.py'

ROSDEP_KEYS = {
    'python3-hypothesis',
    'python3-jsonschema',
    'python3-matplotlib',
    'python3-numpy',
    'python3-onnxruntime-pip',
    'python3-opencv',
    'python3-pytest',
    'python3-pytest-xdist',
    'python3-skimage',
    'python3-tqdm',
    'python3-yaml',
}
"""Keys that were looked up in rosdep/python.yaml of ros/rosdistro, each with a rule for Ubuntu."""

CHANGELOG = """
Changelog for package face_classification_ros
^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

{title}
-----------------
* A change that users see

0.0.9 (2026-01-02)
------------------
* An older change
"""

MANIFEST = """
<package>
  <version>0.1.0</version>
  <maintainer email="{address}">Somebody</maintainer>
</package>
"""

pytestmark = pytest.mark.skipif(
    not WORKFLOWS, reason='an installed package or source distribution has no .github'
)


def workflow(path: Path) -> dict[str, Any]:
    """Return a workflow; YAML reads the key `on` as True."""
    content = yaml.safe_load(path.read_text())
    content['on'] = content.pop(True)
    return dict(content)


def steps(path: Path) -> list[dict[str, Any]]:
    """Return the steps of all jobs of a workflow, without those of other workflows it calls."""
    return [step for job in workflow(path)['jobs'].values() for step in job.get('steps', [])]


def built_names() -> list[str]:
    """Return files and folders that CMakeLists.txt and setup.py build and install."""
    installed = re.findall(
        r'install\((?:DIRECTORY|PROGRAMS)\s+(.*?)DESTINATION',
        (ROOT / 'CMakeLists.txt').read_text(),
        re.DOTALL,
    )
    names = ' '.join(installed).replace('${PROJECT_NAME}/', 'face_classification_ros').split()
    return ['CMakeLists.txt', 'package.xml', 'action', 'cmake', 'msg', 'srv', 'wheel', *names]


@pytest.mark.parametrize('path', WORKFLOWS, ids=lambda path: path.stem)
def test_scripts_of_workflows_exist_and_can_be_executed(path: Path) -> None:
    """Jobs run scripts of the repository, so that each can be run without a server."""
    commands = '\n'.join(step.get('run', '') for step in steps(path))
    names = re.findall(r'\.github/scripts/(\S+)', commands)
    for name in names:
        script = ROOT / '.github' / 'scripts' / name
        assert script.is_file()
        assert script.suffix == '.py' or os.access(script, os.X_OK)
    assert names or 'make ' in commands


def test_every_script_is_used() -> None:
    """By a workflow, or by the check-list of a release."""
    text = ''.join(path.read_text() for path in [*WORKFLOWS, CHECK_RELEASE, ROOT / 'Makefile'])
    assert [path.name for path in [*SCRIPTS, CHECK_RELEASE] if path.name not in text] == []


@pytest.mark.parametrize('path', WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_have_the_least_permissions(path: Path) -> None:
    """They read; only the jobs that publish write, and a checkout keeps no credentials."""
    content = workflow(path)
    assert content['permissions'] == {'contents': 'read'}
    more = {
        name: job['permissions'] for name, job in content['jobs'].items() if 'permissions' in job
    }
    publishing = {'pypi': {'id-token': 'write'}, 'github': {'contents': 'write'}}
    assert more == (publishing if path.stem == 'release' else {})
    assert 'pull_request_target' not in content['on']
    for step in steps(path):
        if step.get('uses', '').startswith('actions/checkout@'):
            assert step['with']['persist-credentials'] is False


@pytest.mark.parametrize('path', WORKFLOWS, ids=lambda path: path.stem)
def test_actions_have_a_fixed_version(path: Path) -> None:
    """None follows a branch; those of others than GitHub are a commit, since tags can be moved."""
    used = [step['uses'] for step in steps(path) if 'uses' in step]
    assert used
    fixed = re.compile(r'actions/[a-z-]+@v\d+|[\w./-]+@[0-9a-f]{40}')
    assert [each for each in used if not fixed.fullmatch(each)] == []


def test_release_is_published_only_after_all_tests() -> None:
    """Both workflows with tests are called, and nothing is published without them."""
    jobs = workflow(ROOT / '.github' / 'workflows' / 'release.yml')['jobs']
    called = {name: job['uses'] for name, job in jobs.items() if 'uses' in job}
    assert called == {name: f'./.github/workflows/{name}.yml' for name in ('pip', 'ros')}
    groups = []
    for name in called:
        content = workflow(ROOT / called[name])
        assert 'workflow_call' in content['on']
        groups.append(content['concurrency']['group'])
    # They would cancel each other in a group named after the workflow that calls them.
    assert len(set(groups)) == 2 and 'github.workflow' not in ''.join(groups)
    assert {*called, 'sources', 'wheels'} == set(jobs['pypi']['needs'])
    assert jobs['github']['needs'] == ['pypi']


@pytest.mark.parametrize('path', WORKFLOWS, ids=lambda path: path.stem)
def test_untrusted_text_does_not_become_a_command(path: Path) -> None:
    """Names of branches and pull requests are never pasted into a shell."""
    commands = ''.join(step.get('run', '') for step in steps(path))
    pasted = re.findall(r'\$\{\{(.*?)\}\}', commands)
    assert [each for each in pasted if not each.strip().startswith('matrix.')] == []


def test_robots_are_tested_on_every_distribution_and_processor() -> None:
    """In the containers of ROS, with what the wheels lack."""
    matrix = workflow(ROOT / '.github' / 'workflows' / 'ros.yml')['jobs']['colcon']['strategy']
    names = ['jazzy', 'kilted', 'lyrical', 'rolling']
    assert matrix['matrix'] == {'ros': names, 'runner': ['ubuntu-24.04', 'ubuntu-24.04-arm']}
    platforms = (ROOT / 'docs' / 'reference' / 'platforms.md').read_text()
    assert re.findall('`ros:([a-z]+)`', platforms)[: len(names)] == names


def test_image_has_everything_that_is_built() -> None:
    """What .dockerignore names is neither built nor installed."""
    ignored = (ROOT / '.dockerignore').read_text().split()
    assert all((ROOT / name).is_dir() for name in ('docs', 'test', 'experiments'))
    assert {'docs', 'test', 'experiments', '.*'} <= set(ignored)
    assert [name for name in built_names() if name.partition('/')[0] in ignored] == []


@pytest.mark.parametrize('script', SCRIPTS, ids=lambda path: path.stem)
def test_script_is_valid(script: Path) -> None:
    """The shell parses it, and it stops at the first error."""
    subprocess.run(['bash', '-n', script], check=True)
    assert 'set -euo pipefail' in script.read_text()


def test_manifest_names_rosdep_keys_that_exist() -> None:
    """At any other, rosdep ends with an error."""
    package = ElementTree.parse(ROOT / 'package.xml').getroot()
    names = {element.text or '' for element in package if element.tag.endswith('depend')}
    assert {name for name in names if name.startswith('python3-')} == ROSDEP_KEYS


def test_maintainers_are_the_owners_of_the_code() -> None:
    """The address is that of the manifest."""
    maintainer = ElementTree.parse(ROOT / 'package.xml').find('maintainer')
    assert maintainer is not None
    owners = (ROOT / '.github' / 'CODEOWNERS').read_text().splitlines()
    assert owners[-1].split() == ['*', maintainer.get('email')]


def test_citation_names_software_and_paper() -> None:
    """The format is that of citation-file-format.github.io, version 1.2.0."""
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert citation['cff-version'] == '1.2.0'
    license_name = ElementTree.parse(ROOT / 'package.xml').findtext('license')
    assert (citation['title'], citation['license']) == ('face_classification_ros', license_name)
    (paper,) = citation['references']
    assert '1710.07557' in paper['url'] and len(paper['authors']) == 3


def check(root: Path, *arguments: str) -> tuple[int, dict[str, str]]:
    """Walk the quick part of the check-list, and return the exit code and each result."""
    done = subprocess.run(
        [sys.executable, CHECK_RELEASE, '--quick', '--root', root, *arguments],
        capture_output=True,
        text=True,
    )
    results = dict(re.findall(r'^(?:failed|ok) +([^:\n]+)(.*)$', done.stdout, re.MULTILINE))
    return done.returncode, results


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Return a repository with a tag 0.1.0 that can be published."""
    for name in ('CITATION.cff', 'pyproject.toml'):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / 'package.xml').write_text(MANIFEST.format(address='faces@robots.test'))
    (tmp_path / 'CHANGELOG.rst').write_text(CHANGELOG.format(title='0.1.0 (2026-11-29)'))
    commit(tmp_path)
    git(tmp_path, 'tag', '0.1.0')
    return tmp_path


def git(root: Path, *arguments: str) -> None:
    """Run a command of Git, without the settings of the user."""
    identity = ['-c', 'user.name=test', '-c', 'user.email=test@example.org']
    environment = {**os.environ, 'GIT_CONFIG_GLOBAL': os.devnull}
    subprocess.run(['git', '-C', root, *identity, *arguments], check=True, env=environment)


def commit(root: Path) -> None:
    """Commit everything in a folder."""
    git(root, 'init', '--quiet')
    git(root, 'add', '--all')
    git(root, 'commit', '--quiet', '--message', 'Change')


def test_release_passes_the_check_list(release: Path) -> None:
    """Nothing is left to do."""
    code, results = check(release)
    assert code == 0
    assert results == dict.fromkeys(
        (
            'version in one place',
            'change log',
            'address of the maintainers',
            'all committed',
            'tag',
        ),
        '',
    )
    assert check(release, '--tag', '0.1.0')[0] == 0


@pytest.mark.parametrize('title', ['Forthcoming', '0.2.0 (2026-11-29)', '0.1.0 (soon)', '0.1.0'])
def test_change_log_without_the_version_fails(release: Path, title: str) -> None:
    """The newest section has the version of the manifest, and a date."""
    (release / 'CHANGELOG.rst').write_text(CHANGELOG.format(title=title))
    commit(release)
    code, results = check(release)
    assert code == 1
    assert results['change log'] and not results['version in one place']


def test_second_place_of_the_version_fails(release: Path) -> None:
    """Two of them would differ one day."""
    with (release / 'CITATION.cff').open('a') as file:
        file.write('version: 0.1.0\n')
    assert check(release)[1]['version in one place']


@pytest.mark.parametrize('address', ['faces@example.org', 'faces@robots.example.com'])
def test_placeholder_of_an_address_fails(release: Path, address: str) -> None:
    """Nobody could report a vulnerability."""
    (release / 'package.xml').write_text(MANIFEST.format(address=address))
    assert address in check(release)[1]['address of the maintainers']


def test_change_without_a_commit_fails(release: Path) -> None:
    """It would not be part of the tag."""
    (release / 'new').touch()
    assert check(release)[1]['all committed']


def test_commit_after_the_tag_fails(release: Path) -> None:
    """The tag is on the commit that is checked."""
    (release / 'new').touch()
    commit(release)
    assert check(release)[1]['tag']


def test_tag_with_another_name_is_not_published(release: Path) -> None:
    """The version of the wheel would not be that of the tag."""
    code, results = check(release, '--tag', '0.2.0')
    assert code == 1
    assert results['name of the tag']


def test_notes_of_a_release_are_its_section_of_the_change_log(release: Path) -> None:
    """Without those of older versions."""
    done = subprocess.run(
        [sys.executable, CHECK_RELEASE, '--notes', '--root', release],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.stdout == '* A change that users see\n'


def test_source_distribution_has_everything_that_is_built(tmp_path: Path) -> None:
    """A wheel is built from it alone."""
    command = [sys.executable, 'setup.py', '--quiet', 'sdist', '--dist-dir', str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob('*.tar.gz')
    with tarfile.open(path) as archive:
        packed = {name.partition('/')[2] for name in archive.getnames()}
    files = [
        str(file.relative_to(ROOT))
        for name in built_names()
        for file in ([ROOT / name] if (ROOT / name).is_file() else (ROOT / name).rglob('*'))
        if file.is_file() and '__pycache__' not in file.parts
    ]
    assert len(files) > 100
    assert [name for name in files if name not in packed] == []
