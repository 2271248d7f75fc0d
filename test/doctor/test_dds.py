"""Profile, shared memory and socket buffers of Fast DDS are checked."""

from pathlib import Path

import pytest

from face_classification_ros.doctor import dds
from face_classification_ros.doctor.findings import ERROR, OK, WARN

FAST_DDS_2, FAST_DDS_3 = dds.PROFILE_VARIABLES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with our profile, a copy of it, another one, and a broken one."""
    for name, text in (
        ('own.xml', '<dds><profiles/></dds>'),
        ('copy.xml', '<dds><profiles/></dds>'),
        ('other.xml', '<dds/>'),
        ('broken.xml', '<dds>'),
    ):
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ('environment', 'code', 'status'),
    [
        ({}, 'dds-profile-not-set', WARN),
        ({FAST_DDS_2: ''}, 'dds-profile-not-set', WARN),
        ({FAST_DDS_2: 'own.xml'}, 'dds-profile-ok', OK),
        ({FAST_DDS_3: 'copy.xml'}, 'dds-profile-ok', OK),
        ({FAST_DDS_2: 'other.xml'}, 'dds-profile-other', OK),
        ({FAST_DDS_2: 'own.xml', FAST_DDS_3: 'gone.xml'}, 'dds-profile-not-found', ERROR),
        ({FAST_DDS_2: 'broken.xml'}, 'dds-profile-invalid', ERROR),
        ({FAST_DDS_2: 'own.xml', FAST_DDS_3: 'other.xml'}, 'dds-profiles-differ', ERROR),
    ],
)
def test_profile_of_an_environment_is_checked(
    environment: dict[str, str], code: str, status: str, folder: Path
) -> None:
    """The remedy exports our profile, unless all is well."""
    values = {name: value and str(folder / value) for name, value in environment.items()}
    own = folder / 'own.xml'
    finding = dds.evaluate_profile(values, own)
    assert (finding.code, finding.status) == (code, status)
    assert (f'export {FAST_DDS_2}={own}' in finding.remedy) == (status != OK)


@pytest.mark.parametrize(
    ('distribution', 'variable'),
    [('jazzy', FAST_DDS_2), ('kilted', FAST_DDS_3), ('lyrical', FAST_DDS_3)],
)
def test_remedy_is_the_variable_of_the_distribution(
    distribution: str, variable: str, folder: Path
) -> None:
    """Kilted would read a profile in both variables twice."""
    own = folder / 'own.xml'
    finding = dds.evaluate_profile({'ROS_DISTRO': distribution}, own)
    assert finding.remedy == f'export {variable}={own}'


@pytest.mark.parametrize(
    ('free', 'code', 'status'),
    [
        (0, 'shared-memory-too-small', ERROR),
        (64 * 2**20, 'shared-memory-too-small', ERROR),
        (68 * 2**20, 'shared-memory-ok', OK),
        (16 * 2**30, 'shared-memory-ok', OK),
    ],
)
def test_shared_memory_has_to_suffice_for_two_processes(free: int, code: str, status: str) -> None:
    """The 64 MB of Docker do not."""
    finding = dds.evaluate_shared_memory(free)
    assert (finding.code, finding.status) == (code, status)
    assert ('--shm-size=512m' in finding.remedy) == (status == ERROR)


@pytest.mark.parametrize(
    ('receive', 'send', 'code', 'status'),
    [
        (212_992, 212_992, 'socket-buffers-too-small', WARN),
        (4_194_304, 212_992, 'socket-buffers-too-small', WARN),
        (4_194_304, 4_194_304, 'socket-buffers-ok', OK),
    ],
)
def test_small_socket_buffers_are_a_warning(
    receive: int, send: int, code: str, status: str
) -> None:
    """They affect images from other computers only."""
    finding = dds.evaluate_socket_buffers(receive, send)
    assert (finding.code, finding.status) == (code, status)
    assert ('net.core.rmem_max=4194304' in finding.remedy) == (status == WARN)
