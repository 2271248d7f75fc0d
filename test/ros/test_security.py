"""The node uses only the sockets, files and ROS names that the manual lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
import os
from pathlib import Path
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import cv2
from page_server import running_servers
import pytest
from ros_peers import (
    Camera,
    HEAD,
    image_message,
    LiveCamera,
    NodeProcess,
    Peer,
    read_line,
    TIMEOUT,
)

from face_classification_ros.inference.model_zoo import share_folder

StartNode = Callable[..., NodeProcess]

NODE = '/face_classification'

UPGRADE = {
    'Connection': 'Upgrade',
    'Upgrade': 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
}
"""Headers that turn a request into the stream of the page."""

# Names that depend on parameters which are not set here.
ON_REQUEST = {
    'subscribe': {
        '/image/compressed',
        '/depth',
        '/tf',
        '/tf_static',
        '/clock',
        '/parameter_events',
    },
    'publish': {'/humans/faces/*', '/tf', f'{NODE}/image_annotations'},
    'reply': set(),
    'execute': set(),
}


def sockets_of(pid: int) -> list[tuple[str, int, str]]:
    """Return protocol, local port and remote address of each network socket of a process."""
    inodes = set()
    for descriptor in Path(f'/proc/{pid}/fd').iterdir():
        if match := re.match(r'socket:\[(\d+)\]', os.readlink(descriptor)):
            inodes.add(match[1])
    sockets = []
    for protocol in ('tcp', 'tcp6', 'udp', 'udp6', 'raw', 'raw6'):
        table = Path(f'/proc/{pid}/net/{protocol}')
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = line.split()
            if fields[9] in inodes:
                port = int(fields[1].rpartition(':')[2], 16)
                sockets.append((protocol, port, fields[2].partition(':')[0]))
    return sockets


# A node that does nothing.
BARE = """
import rclpy
rclpy.init()
node = rclpy.create_node('bare')
print('ready', flush=True)
rclpy.spin(node)
"""


@pytest.fixture
def bare_node(domain: int) -> Iterator[int]:
    """Return the id of a process with a node that does nothing, in the domain of the test."""
    with subprocess.Popen(
        [sys.executable, '-c', BARE],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain)},
    ) as process:
        assert process.stdout is not None
        assert read_line(process.stdout) == 'ready\n'
        yield process.pid
        process.kill()


def test_node_has_no_sockets_but_those_of_dds(
    start_node: StartNode, peer: Peer, bare_node: int
) -> None:
    """As many as a node that does nothing, all of them UDP and unconnected: no telemetry."""
    node = start_node()
    camera = Camera(peer)
    camera.connect()
    for _ in range(5):
        assert len(camera.result_of(image_message(HEAD)).faces) == 1
        sockets = sockets_of(node.pid)
        assert {(protocol, remote) for protocol, _, remote in sockets} == {('udp', '00000000')}
        assert len(sockets) == len(sockets_of(bare_node)), sockets


def test_node_writes_only_its_log(
    start_node: StartNode, peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file in the home or working directory; only files of ROS are open for writing."""
    home, folder = tmp_path / 'home', tmp_path / 'folder'
    for each in (home, folder):
        each.mkdir(mode=0o500)
    monkeypatch.setenv('HOME', str(home))
    monkeypatch.setenv('TMPDIR', str(folder))
    monkeypatch.chdir(folder)
    node = start_node()
    camera = Camera(peer)
    camera.connect()
    assert len(camera.result_of(image_message(HEAD)).faces) == 1
    written = written_files(node.pid)
    logs = (str(tmp_path / 'ros_logs'), str(tmp_path / 'node_0.log'))
    assert [name for name in written if not name.startswith((*logs, '/dev/'))] == []
    assert any(name.startswith('/dev/shm/fast') for name in written)
    assert list(home.rglob('*')) == list(folder.rglob('*')) == []


def written_files(pid: int) -> list[str]:
    """Return the names of the files that a process has open or mapped for writing."""
    names = set()
    for descriptor in Path(f'/proc/{pid}/fdinfo').iterdir():
        flags = re.search(r'^flags:\s+(\d+)', descriptor.read_text(), re.MULTILINE)
        name = os.readlink(f'/proc/{pid}/fd/{descriptor.name}')
        if flags and int(flags[1], 8) & (os.O_WRONLY | os.O_RDWR) and name.startswith('/'):
            names.add(name)
    for line in Path(f'/proc/{pid}/maps').read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[1][1] == 'w' and fields[1][3] == 's':
            names.add(fields[5])
    return sorted(name for name in names if name.startswith('/'))


def allowed_names(enclave: str) -> dict[str, set[str]]:
    """Return what the shipped policy allows an enclave: kind -> names, resolved as in SROS2."""
    policy = ElementTree.parse(share_folder() / 'config' / 'sros2' / 'policy.xml')
    (found,) = (each for each in policy.iter('enclave') if each.get('path') == enclave)
    names: dict[str, set[str]] = defaultdict(set)
    for profile in found.iter('profile'):
        place = profile.get('ns', '').rstrip('/')
        for rules in profile:
            for kind, qualifier in rules.items():
                assert qualifier == 'ALLOW'
                for rule in rules:
                    name = rule.text or ''
                    if name.startswith('~'):
                        name = f'{place}/{profile.get("node")}{name[1:]}'
                    elif not name.startswith('/'):
                        name = f'{place}/{name}'
                    names[kind].add(name)
    return names


def used_names(peer: Peer) -> dict[str, set[str]]:
    """Return the names of the running node: kind -> names, each action as one."""
    node = peer.node
    name, namespace = NODE[1:], '/'

    def names(getter: Callable[..., list[tuple[str, list[str]]]]) -> set[str]:
        return {each for each, _ in getter(name, namespace)}

    published = names(node.get_publisher_names_and_types_by_node)
    replied = names(node.get_service_names_and_types_by_node)
    actions = {
        each.partition('/_action/')[0] for each in published | replied if '/_action/' in each
    }
    return {
        'subscribe': names(node.get_subscriber_names_and_types_by_node),
        'publish': {each for each in published if '/_action/' not in each},
        'reply': {each for each in replied if '/_action/' not in each},
        'execute': actions,
    }


def test_policy_allows_exactly_what_the_node_uses(start_node: StartNode, peer: Peer) -> None:
    """Every topic, service and action is in config/sros2/policy.xml."""
    start_node()
    allowed = allowed_names(NODE)
    needed = {kind: allowed[kind] - ON_REQUEST[kind] for kind in allowed}
    # Discovery finds names one by one, that of the node after its topics.
    peer.wait_for(lambda: (NODE[1:], '/') in peer.node.get_node_names_and_namespaces())
    peer.happens(
        lambda: all(needed[kind] <= names for kind, names in used_names(peer).items()), 20.0
    )
    used = used_names(peer)
    for kind, names in used.items():
        assert names <= allowed[kind], f'{kind}: not in the policy'
        assert needed[kind] <= names, f'{kind}: in the policy, but not used'


def test_node_without_its_enclave_does_not_start(
    start_node: StartNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If SROS2 is enforced the node ends with exit code 2 instead of publishing unencrypted."""
    (tmp_path / 'keystore' / 'enclaves').mkdir(parents=True)
    monkeypatch.setenv('ROS_SECURITY_ENABLE', 'true')
    monkeypatch.setenv('ROS_SECURITY_STRATEGY', 'Enforce')
    monkeypatch.setenv('ROS_SECURITY_KEYSTORE', str(tmp_path / 'keystore'))
    node = start_node(until_active=False)
    assert node.wait() == 2
    (line,) = (each for each in node.log.splitlines() if each.startswith(NODE[1:]))
    assert 'secur' in line.lower()


def names_of_page(peer: Peer) -> dict[str, set[str]]:
    """Return the names of the nodes of the page: kind -> names, with * for random numbers."""
    node = peer.node
    names: dict[str, set[str]] = defaultdict(set)
    getters = {
        'subscribe': node.get_subscriber_names_and_types_by_node,
        'publish': node.get_publisher_names_and_types_by_node,
        'reply': node.get_service_names_and_types_by_node,
        'request': node.get_client_names_and_types_by_node,
    }
    for name, namespace in node.get_node_names_and_namespaces():
        if name.startswith(('face_classification_view_', 'face_client_')):
            for kind, getter in getters.items():
                found = getter(name, namespace)
                names[kind] |= {re.sub(r'_[0-9a-f]{8}/', '_*/', each) for each, _ in found}
    return names


def post(port: int, command: str, body: bytes) -> int:
    """Send a command of the page, and return the status of the response."""
    with closing(HTTPConnection('127.0.0.1', port, timeout=TIMEOUT)) as connection:
        connection.request('POST', f'/{command}', body, {'Origin': f'http://127.0.0.1:{port}'})
        return connection.getresponse().status


def test_policy_allows_exactly_what_the_page_uses(
    start_node: StartNode, peer: Peer, domain: int
) -> None:
    """While somebody looks, and for each command."""
    pytest.importorskip('aiohttp', reason='needs the extra [view]')
    start_node()
    allowed = allowed_names('/face_classification_view')
    # Only called for the reason why the node does not respond.
    needed = {kind: names - {f'{NODE}/get_state'} for kind, names in allowed.items()}
    used: dict[str, set[str]] = defaultdict(set)

    def is_all_used() -> bool:
        for kind, names in names_of_page(peer).items():
            used[kind] |= names
        return all(needed[kind] <= used[kind] for kind in needed)

    with (
        running_servers(domain) as start_server,
        closing(LiveCamera(peer, HEAD)),
        ThreadPoolExecutor() as pool,
    ):
        port = start_server().port
        with closing(HTTPConnection('127.0.0.1', port, timeout=TIMEOUT)) as stream:
            stream.request(
                'GET', '/stream', headers=UPGRADE | {'Origin': f'http://127.0.0.1:{port}'}
            )
            assert stream.getresponse().status == 101
            # Nobody has this track, so the page waits for an explanation as long as it can.
            explaining = pool.submit(post, port, 'explain', b'{"track": "999"}')
            classified = pool.submit(
                post, port, 'classify', cv2.imencode('.png', HEAD)[1].tobytes()
            )
            peer.happens(is_all_used, TIMEOUT)
            assert classified.result() == 200
            explaining.result()
    for kind, names in used.items():
        assert names <= allowed[kind], f'{kind}: not in the policy'
    for kind, names in needed.items():
        assert names <= used[kind], f'{kind}: in the policy, but not used'
