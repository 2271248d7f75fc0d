"""Run the page server in tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import re
import subprocess
import sys

from ros_peers import read_line

COMMAND = str(Path(sys.executable).with_name('face_classification'))


class PageServer:
    """The command `view`, as a user starts it.

    Attributes:
        url: of the page.
    """

    def __init__(self, domain: int, *arguments: str) -> None:
        """Start it, and wait until it prints the URL."""
        self._process = subprocess.Popen(
            [COMMAND, 'view', '--no-browser', *arguments],
            env={**os.environ, 'ROS_DOMAIN_ID': str(domain)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = read_line(self._process.stdout)
        found = re.search(r'http://\S+', line)
        assert found, f'the server printed {line!r}'
        self.url = found[0]

    @property
    def port(self) -> int:
        """The port in its URL."""
        found = re.search(r':(\d+)/', self.url)
        assert found
        return int(found[1])

    def stop(self) -> int:
        """Interrupt it, and return the exit code."""
        self._process.terminate()
        return self._process.wait(60)

    def kill(self) -> None:
        """Kill it if it still runs."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


StartServer = Callable[..., PageServer]


@contextmanager
def running_servers(domain: int) -> Iterator[StartServer]:
    """Return a function that starts a server on a free port, with further arguments."""
    servers: list[PageServer] = []

    def start(*arguments: str) -> PageServer:
        servers.append(PageServer(domain, '--port', '0', *arguments))
        return servers[-1]

    try:
        yield start
    finally:
        for server in servers:
            server.kill()
