"""The package's executables run by a command, on the loopback and with room for large pictures."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from face_classification_ros.inference.model_zoo import dds_profile, executable

START_LIMIT = 30.0
"""Seconds that the node may take to start on a busy machine."""

STOP_LIMIT = 10.0
"""Seconds that a process may take to end."""

LOCK_LIMIT = 3.0
"""Seconds after which Fast DDS has given up a lock in shared memory that a killed process held."""


def ros_environment(domain: str) -> dict[str, str]:
    """Give the variables of the environment that ROS wants and the user has not chosen.

    They keep to the loopback, use shared memory for pictures, and a domain of their own.

    Args:
        domain: ROS domain, so that no robot is met by chance; "" stays in the usual one.
    """
    profile = str(dds_profile())
    wanted = {
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        # Fast DDS 2 (Jazzy) and 3 (Kilted) read different names.
        'FASTRTPS_DEFAULT_PROFILES_FILE': profile,
        'FASTDDS_DEFAULT_PROFILES_FILE': profile,
        **({'ROS_DOMAIN_ID': domain} if domain else {}),
    }
    return {name: value for name, value in wanted.items() if name not in os.environ}


def start(name: str, *arguments: str) -> subprocess.Popen[str]:
    """Start one of the package's executables; what it prints to stdout is for `stop`."""
    return subprocess.Popen([executable(name), *arguments], text=True, stdout=subprocess.PIPE)


def stop(process: subprocess.Popen[str] | None, name: str) -> str:
    """End a process that may have ended already, and give what it printed.

    After one that was killed it waits until this process may leave ROS: Fast DDS crashes where it
    is closed while it gives up a lock that the other one held.
    """
    if process is None:
        return ''
    process.terminate()
    try:
        printed, _ = process.communicate(timeout=STOP_LIMIT)
    except subprocess.TimeoutExpired:
        # Shared memory may hold it up where the process at the other end was killed.
        print(f'the {name} did not end within {STOP_LIMIT:.0f} s', file=sys.stderr)
        process.kill()
        printed, _ = process.communicate()
    if process.returncode < 0:
        time.sleep(LOCK_LIMIT)
    return printed.strip()
