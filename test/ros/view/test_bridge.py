"""An error in the thread that receives from the node ends the page instead of freezing it."""

from __future__ import annotations

import os
from pathlib import Path
import subprocess
import sys

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import pytest
from ros_peers import Peer

pytest.importorskip('aiohttp', reason='needs the extra [view]')

# The page with an error in what it does with diagnostics.
BROKEN = """
import sys
from face_classification_ros.commands.main import main
from face_classification_ros.ros.view import bridge

def broken(status, prefix):
    raise LookupError('two\\nlines')

bridge.status_record = broken
sys.exit(main(['view', '--no-browser', '--port', '0']))
"""


def test_error_ends_the_page_with_one_line(peer: Peer, domain: int, tmp_path: Path) -> None:
    """Exit code 2, with the cause."""
    status = DiagnosticStatus(level=DiagnosticStatus.OK, name='face_classification: images')
    publisher = peer.node.create_publisher(DiagnosticArray, '/diagnostics', 10)
    with subprocess.Popen(
        [sys.executable, '-c', BROKEN],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain)},
    ) as page:

        def has_ended() -> bool:
            publisher.publish(DiagnosticArray(status=[status]))
            return page.poll() is not None

        try:
            peer.wait_for(has_ended, 'the end of the page')
        finally:
            page.kill()
        _, errors = page.communicate()
    assert page.returncode == 2, errors
    (line,) = errors.splitlines()
    assert 'LookupError: two lines' in line
