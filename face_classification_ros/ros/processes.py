"""Start and stop the executables of this package, on the loopback and with room for big images."""

from __future__ import annotations

from collections.abc import Mapping
import os
import signal
import subprocess
import sys
import time

from face_classification_ros.doctor.dds import PROFILE_VARIABLES
from face_classification_ros.inference.model_zoo import dds_profile, executable
from face_classification_ros.ros.compat import dds_profile_variable

START_TIMEOUT = 30.0
"""Seconds that the node may take to start on a busy machine."""

STOP_TIMEOUT = 10.0
"""Seconds that a process may take to end."""

LOCK_LIMIT = 3.0
"""Seconds until Fast DDS releases the shared memory locks of a killed process."""


def ros_environment(domain: str) -> dict[str, str]:
    """Return the environment variables that ROS needs and the user has not set.

    They restrict ROS to the loopback, use shared memory for images, and set a domain.

    Args:
        domain: ROS domain in which there is no robot; "" does not set it.
    """
    variables = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
    if not any(name in os.environ for name in PROFILE_VARIABLES):
        variables[dds_profile_variable()] = str(dds_profile())
    if domain:
        variables['ROS_DOMAIN_ID'] = domain
    return {name: value for name, value in variables.items() if name not in os.environ}


def start(name: str, *arguments: str) -> subprocess.Popen[str]:
    """Start an executable of this package, which only `stop` or its own end stops.

    Returns:
        The process; `stop` returns what it prints to stdout.
    """
    # Ctrl+C in a terminal reaches every process. One that still imports its libraries would print
    # a traceback and fail; a process inherits the blocked signals of the thread that starts it.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return subprocess.Popen([executable(name), *arguments], text=True, stdout=subprocess.PIPE)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def stop(process: subprocess.Popen[str] | None, name: str) -> str:
    """End a process, which may have ended already, and return what it printed.

    After a process that was killed it waits until this process can leave ROS: Fast DDS crashes if
    it is closed while it releases the locks of another process.

    Args:
        process: None returns "".
        name: of the process, for a message on stderr if it has to be killed.
    """
    if process is None:
        return ''
    process.terminate()
    try:
        printed, _ = process.communicate(timeout=STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        # Shared memory may block it if the process at the other end was killed.
        print(f'the {name} did not end within {STOP_TIMEOUT:.0f} s', file=sys.stderr)
        process.kill()
        printed, _ = process.communicate()
    if process.returncode < 0:
        time.sleep(LOCK_LIMIT)
    return printed.strip()


def check_exit_codes(
    processes: Mapping[str, subprocess.Popen[str]], *, were_stopped: bool
) -> None:
    """Raise a ChildProcessError if one of the processes has failed.

    Args:
        processes: by name.
        were_stopped: by `stop`, perhaps before they handled signals; otherwise they may still run.
    """
    expected = {0, -signal.SIGTERM} if were_stopped else {0, None}
    for name, process in processes.items():
        if process.poll() not in expected:
            raise ChildProcessError(f'the {name} ended with exit code {process.returncode}')
