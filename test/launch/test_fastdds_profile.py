"""The Fast DDS profile is valid, and large images arrive with it."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest
from ros_peers import NodeProcess, TIMEOUT

from face_classification_ros.inference.model_zoo import dds_profile
from face_classification_ros.ros.compat import dds_profile_variable

ROOT = Path(__file__).resolve().parents[2]
SEGMENT = 32 * 2**20
"""Bytes of shared memory of each process, without headers."""

LARGE_IMAGE = 2048 * 1536 * 3
"""Bytes of the largest image of Care-O-bot."""


def require_shared_memory(processes: int) -> None:
    """Skip a test if the machine has less shared memory than these processes need."""
    free = shutil.disk_usage('/dev/shm').free
    if free < 1.1 * SEGMENT * processes:
        pytest.skip(f'/dev/shm has only {free / 1e6:.0f} MB left')


def mapped_segments(pid: int) -> list[int]:
    """Return the sizes in bytes of the shared memory segments that a process has mapped."""
    sizes = []
    for line in Path(f'/proc/{pid}/maps').read_text().splitlines():
        if '/dev/shm/' in line:
            start, end = (int(each, 16) for each in line.split()[0].split('-'))
            sizes.append(end - start)
    return sizes


def test_profile_applies_to_all_participants() -> None:
    """Shared memory has room for three large images, UDP remains, nothing else is defined."""
    tree = ElementTree.parse(dds_profile())
    space = {'dds': 'http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles'}
    transports = {
        transport.findtext('dds:type', '', space): transport
        for transport in tree.iterfind('.//dds:transport_descriptor', space)
    }
    assert set(transports) == {'SHM', 'UDPv4'}
    segment = int(transports['SHM'].findtext('dds:segment_size', '', space))
    assert segment == SEGMENT >= 3 * LARGE_IMAGE
    names = {each.findtext('dds:transport_id', '', space) for each in transports.values()}
    (participant,) = tree.iterfind('.//dds:participant', space)
    assert participant.get('is_default_profile') == 'true'
    used = participant.iterfind('.//dds:userTransports/dds:transport_id', space)
    assert {each.text for each in used} == names


def test_fast_dds_accepts_the_profile(
    start_node: Callable[..., NodeProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parser prints nothing, and the node has the shared memory of the profile."""
    require_shared_memory(processes=2)
    monkeypatch.setenv(dds_profile_variable(), str(dds_profile()))
    node = start_node()
    assert max(mapped_segments(node.pid), default=0) >= SEGMENT, node.log
    assert 'XMLPARSER' not in node.log


def test_vga_images_arrive_best_effort(domain: int, tmp_path: Path) -> None:
    """Nearly all images are processed, most of which are lost without the profile."""
    require_shared_memory(processes=4)
    figures = tmp_path / 'figures.json'
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / 'benchmarks' / 'transport.py')),
            *('--profile', 'large_images', '--reliability', 'best_effort'),
            *('--rounds', '1', '--warm-up', '10', '--images', '40', '--rate', '8'),
            *('--domain', str(domain), '--json', str(figures)),
        ],
        capture_output=True,
        text=True,
        timeout=3 * TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    (case,) = json.loads(figures.read_text())['cases']
    assert case['sent'] == 40
    assert case['processed'] >= 32
    assert case['faces'] >= case['processed']
