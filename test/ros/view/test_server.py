"""The page server as a process: who reaches it, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
import json
import os
import socket
import subprocess
import sys
from types import MappingProxyType

import pytest

pytest.importorskip('aiohttp', reason='needs the extra [view]')
from command_process import run
from conftest import reserved_domain
from page_server import running_servers, StartServer
from ros_peers import Peer

from face_classification_ros.ros.view.commands import MAX_UPLOAD
from face_classification_ros.ros.view.page import static_files

NODE = '/nobody/face_classification'
COMMANDS = ['parameters', 'classify', 'explain']
ADDRESSES = [*static_files(), 'stream', *COMMANDS, 'nothing']
UPGRADE = {
    'Connection': 'Upgrade',
    'Upgrade': 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
}


def request(
    port: int,
    method: str,
    path: str,
    body: bytes = b'',
    headers: Mapping[str, str] = MappingProxyType({}),
) -> tuple[int, Mapping[str, str], bytes]:
    """Return status, headers and body of the response to a request."""
    connection = HTTPConnection('127.0.0.1', port, timeout=60)
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        # A stream does not end.
        content = b'' if response.status == 101 else response.read()
        return response.status, dict(response.getheaders()), content
    finally:
        connection.close()


def local(port: int) -> dict[str, str]:
    """Return the header with the origin of the page."""
    return {'Origin': f'http://127.0.0.1:{port}'}


@pytest.fixture(scope='module')
def port() -> Iterator[int]:
    """Return the port of a server for this machine, whose node does not run."""
    with reserved_domain() as domain, running_servers(domain) as start:
        yield start('--node', NODE).port


def test_page_and_its_files_are_served(port: int) -> None:
    """With their types, and nothing from elsewhere is allowed."""
    for name, (kind, content) in static_files().items():
        status, headers, body = request(port, 'GET', f'/{name}')
        assert (status, body) == (200, content)
        assert headers['Content-Type'].startswith(kind)
        policy = headers['Content-Security-Policy']
        assert "default-src 'none'" in policy
        assert 'unsafe' not in policy and '*' not in policy and 'http' not in policy
        assert headers['X-Frame-Options'] == 'DENY'
        assert headers['Referrer-Policy'] == 'no-referrer'
        assert not [each for each in headers if each.startswith('Access-Control')]


def test_all_that_a_browser_loads_is_small() -> None:
    """At most 300 kB, without any address of another machine."""
    contents = [content for _, content in static_files().values()]
    assert sum(map(len, contents)) < 300_000
    outside = b'://'
    assert [each for each in contents if outside in each.replace(b'http://www.w3.org/', b'')] == []


def test_stranger_without_the_token_gets_nothing(start_server: StartServer) -> None:
    """403 on each address, for each method, whatever the rest of the request is."""
    server = start_server('--host', '0.0.0.0')
    token = server.url.rstrip('/').rpartition('/')[2]
    assert len(token) >= 22
    origin = local(server.port)
    for address in ADDRESSES:
        for path in (f'/{address}', f'/{token[:-1]}/{address}', f'/x/{address}?token={token}'):
            for method in ('GET', 'POST', 'PUT', 'OPTIONS'):
                assert request(server.port, method, path, headers=origin)[0] == 403
            assert request(server.port, 'GET', path, headers={**origin, **UPGRADE})[0] == 403


def test_who_has_the_token_gets_everything(start_server: StartServer) -> None:
    """Also if the slash at the end is missing."""
    server = start_server('--host', '0.0.0.0')
    path = '/' + server.url.split('/', 3)[3]
    origin = local(server.port)
    for name in static_files():
        assert request(server.port, 'GET', path + name)[0] == 200
    status, headers, _ = request(server.port, 'GET', path.rstrip('/'))
    assert (status, headers['Location']) == (302, path)
    assert request(server.port, 'GET', f'{path}stream', headers={**origin, **UPGRADE})[0] == 101
    assert request(server.port, 'POST', f'{path}classify', b'text', origin)[0] == 415


@pytest.mark.parametrize('origin', ['http://evil.example', 'null', 'http://127.0.0.1:1', ''])
def test_foreign_origin_gets_no_stream_and_commands_nothing(port: int, origin: str) -> None:
    """A page of another server in the same browser."""
    assert request(port, 'GET', '/stream', headers={**local(port), **UPGRADE})[0] == 101
    headers = {'Origin': origin} if origin else {}
    assert request(port, 'GET', '/stream', headers={**headers, **UPGRADE})[0] == 403
    for command in COMMANDS:
        assert request(port, 'POST', f'/{command}', b'{}', headers)[0] == 403


def test_subscription_ends_when_all_browsers_leave_at_once(
    start_server: StartServer, peer: Peer
) -> None:
    """Otherwise the node would draw for nobody."""
    server = start_server('--node', NODE)
    headers = {**local(server.port), **UPGRADE}

    def subscribers() -> int:
        return peer.node.count_subscribers(f'{NODE}/image_annotated/compressed')

    for _ in range(10):
        browsers = [HTTPConnection('127.0.0.1', server.port, timeout=60) for _ in range(10)]
        for browser in browsers:
            browser.request('GET', '/stream', headers=headers)
            assert browser.getresponse().status == 101
        peer.wait_for(lambda: subscribers() == 1, 'the subscription')
        for browser in browsers:
            browser.close()
        peer.wait_for(lambda: subscribers() == 0, 'the end of the subscription')
        peer.spin(0.2)
        assert subscribers() == 0


def test_name_that_resolves_to_this_machine_is_refused(port: int) -> None:
    """A page reaches this machine under its own name (DNS rebinding)."""
    for address in ADDRESSES:
        for method in ('GET', 'POST'):
            response = request(
                port,
                method,
                f'/{address}',
                headers={
                    'Host': f'evil.example:{port}',
                    'Origin': f'http://evil.example:{port}',
                },
            )
            assert response[0] == 403


def test_upload_is_bounded(port: int) -> None:
    """A larger file is refused, and so is one that is no image."""
    origin = local(port)
    body = b'\xff\xd8' + bytes(MAX_UPLOAD)
    assert request(port, 'POST', '/classify', body, origin)[0] == 413
    assert request(port, 'POST', '/classify', b'GIF89a', origin)[0] == 415


@pytest.mark.parametrize(
    ('command', 'body'),
    [
        ('parameters', b''),
        ('parameters', b'[1]'),
        ('parameters', b'{"rotation": {"a": 1}}'),
        ('parameters', b'{"rotation": 9999999999999999999999}'),
        ('parameters', b'\xff'),
        ('explain', b'{}'),
        ('explain', b'{"track": 3}'),
    ],
)
def test_malformed_command_is_refused_with_the_reason(
    port: int, command: str, body: bytes
) -> None:
    """In one line."""
    status, _, content = request(port, 'POST', f'/{command}', body, local(port))
    assert status == 409
    assert json.loads(content)['reason']


@pytest.mark.parametrize(
    ('command', 'body'),
    [
        ('parameters', b'{"rotation": 90}'),
        ('classify', b'\xff\xd8'),
        ('explain', b'{"track": "3"}'),
    ],
)
def test_command_without_a_node_is_refused(port: int, command: str, body: bytes) -> None:
    """The reason is that it does not run."""
    status, _, content = request(port, 'POST', f'/{command}', body, local(port))
    assert status == 503
    assert NODE in json.loads(content)['reason']


def test_server_listens_on_the_loopback_only(port: int) -> None:
    """Unless the user says otherwise."""
    name = socket.gethostname()
    found = {str(address[0]) for *_, address in socket.getaddrinfo(name, None, socket.AF_INET)}
    others = {each for each in found if not each.startswith('127.')}
    for other in others:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((other, port), timeout=60)


def test_server_ends_at_a_signal(start_server: StartServer) -> None:
    """With exit code 0."""
    assert start_server().stop() == 0


@pytest.mark.parametrize(
    'arguments', [['--port', '70000'], ['--host', 'no such host'], ['--node', '/a b']]
)
def test_wrong_use_is_one_line(
    domain: int, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """And exit code 2."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    done = run('view', '--port', '0', *arguments)
    assert done.returncode == 2, done.stderr
    assert 'Traceback' not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_port_that_is_in_use_is_named(domain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the exit code is 2."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    with socket.create_server(('127.0.0.1', 0)) as other:
        done = run('view', '--port', str(other.getsockname()[1]))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_missing_server_package_is_named(domain: int) -> None:
    """With the command that installs it."""
    program = (
        'import sys; sys.modules["aiohttp"] = None; '
        'from face_classification_ros.commands.main import main; sys.exit(main(["view"]))'
    )
    done = subprocess.run(
        [sys.executable, '-c', program],
        capture_output=True,
        text=True,
        cwd='/',
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain)},
    )
    assert done.returncode == 2
    assert 'aiohttp' in done.stderr
