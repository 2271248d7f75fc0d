"""Check what Fast DDS needs to transport large images: profile, shared memory, socket buffers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import os
from pathlib import Path
import shutil
import xml.etree.ElementTree as ElementTree

from face_classification_ros.doctor.findings import ERROR, Finding, OK, WARN

PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""Read by Fast DDS 2 (Jazzy and earlier), and by Fast DDS 3."""

SEGMENT_SIZE = 34 * 2**20
"""Bytes of /dev/shm per process with the profile for large images."""

SOCKET_BUFFER_SIZE = 4 * 2**20
"""Bytes that the profile requests from the kernel per socket."""

SOCKET_BUFFERS = ('rmem_max', 'wmem_max')


def check_profile() -> Iterator[Finding]:
    """Check which profile the environment of this process selects."""
    from face_classification_ros.inference.model_zoo import dds_profile

    yield evaluate_profile(os.environ, dds_profile())


def profile_variable(distribution: str) -> str:
    """Return the variable with the profile in a ROS distribution.

    If both are set, Kilted reads the profile twice and prints errors.
    """
    before_kilted, since_kilted = PROFILE_VARIABLES
    return before_kilted if distribution in ('humble', 'iron', 'jazzy') else since_kilted


def evaluate_profile(environment: Mapping[str, str], own: Path) -> Finding:
    """Check which profile an environment selects.

    Args:
        environment: its variables.
        own: the profile of this package.
    """
    subject = 'DDS profile'
    # Wheels set no ROS_DISTRO: they are of Jazzy, or of Kilted, which still reads the older name.
    remedy = f'export {profile_variable(environment.get("ROS_DISTRO", "jazzy"))}={own}'
    profiles = {name: environment[name] for name in PROFILE_VARIABLES if environment.get(name)}
    if not profiles:
        return Finding(
            'dds-profile-not-set',
            WARN,
            subject,
            'none is set, so many images larger than 512 kB are lost by best-effort subscribers; '
            'the launch files set one for the node, but the camera driver needs it, too',
            remedy,
        )
    for name, value in profiles.items():
        if not Path(value).is_file():
            text = f'{name} is {value}, which is not a file'
            return Finding('dds-profile-not-found', ERROR, subject, text, remedy)
        try:
            ElementTree.parse(value)
        except ElementTree.ParseError as error:
            text = f'{value} is not XML: {error}'
            return Finding('dds-profile-invalid', ERROR, subject, text, remedy)
    if len(set(profiles.values())) > 1:
        text = f'the two variables differ: {" and ".join(profiles.values())}'
        return Finding('dds-profiles-differ', ERROR, subject, text, remedy)
    value = next(iter(profiles.values()))
    if Path(value).read_bytes() == own.read_bytes():
        return Finding('dds-profile-ok', OK, subject, f'for large images: {value}')
    text = f'another one: {value}; see below whether images arrive'
    return Finding('dds-profile-other', OK, subject, text)


def check_shared_memory() -> Iterator[Finding]:
    """Check the free space of /dev/shm."""
    yield evaluate_shared_memory(shutil.disk_usage('/dev/shm').free)


def evaluate_shared_memory(free: int) -> Finding:
    """Compare free bytes of /dev/shm with what camera and node need, a segment each."""
    text = f'{free // 2**20} MB of /dev/shm are free, each process needs {SEGMENT_SIZE // 2**20}'
    if free < 2 * SEGMENT_SIZE:
        return Finding(
            'shared-memory-too-small',
            ERROR,
            'shared memory',
            text,
            'start Docker with --shm-size=512m or --ipc=host; while no ROS process runs, remove '
            'what killed processes left: rm /dev/shm/fast*',
        )
    return Finding('shared-memory-ok', OK, 'shared memory', text)


def check_socket_buffers() -> Iterator[Finding]:
    """Check the largest socket buffers that the kernel grants."""
    receive, send = (int(Path('/proc/sys/net/core', name).read_text()) for name in SOCKET_BUFFERS)
    yield evaluate_socket_buffers(receive, send)


def evaluate_socket_buffers(receive: int, send: int) -> Finding:
    """Compare the largest socket buffers, in bytes, with those that the profile requests."""
    text = f'rmem_max {receive}, wmem_max {send}'
    if min(receive, send) < SOCKET_BUFFER_SIZE:
        size = SOCKET_BUFFER_SIZE
        return Finding(
            'socket-buffers-too-small',
            WARN,
            'socket buffers',
            f'{text}: images from other computers may get lost',
            f'sudo sysctl -w net.core.rmem_max={size} net.core.wmem_max={size}',
        )
    return Finding('socket-buffers-ok', OK, 'socket buffers', text)
