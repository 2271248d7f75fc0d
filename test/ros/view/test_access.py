"""Only those who may do so reach the page: by token, host name and origin."""

from __future__ import annotations

import pytest

from face_classification_ros.ros.view.access import Access, create_access, is_loopback

LOCAL = Access('127.0.0.1', 8850, '')
HOST = '127.0.0.1:8850'
OPEN = Access('0.0.0.0', 8850, 'secret')


@pytest.mark.parametrize('host', ['127.0.0.1', '127.1.2.3', '::1', 'localhost'])
def test_loopback_needs_no_token(host: str) -> None:
    """Only this machine reaches it."""
    assert is_loopback(host)
    assert create_access(host, 1).prefix == '/'


@pytest.mark.parametrize('host', ['0.0.0.0', '::', '192.168.0.1', 'robot', 'localhost.example'])
def test_other_hosts_have_a_new_token_each_time(host: str) -> None:
    """Nobody can guess it."""
    tokens = {create_access(host, 1).token for _ in range(10)}
    assert len(tokens) == 10
    assert min(map(len, tokens)) >= 22


def test_url_has_the_token() -> None:
    """A user copies it; an IPv6 address is in brackets."""
    assert OPEN.url('robot') == 'http://robot:8850/secret/'
    assert LOCAL.url('::1') == 'http://[::1]:8850/'


@pytest.mark.parametrize(
    'path', ['/', '/stream', '/secret2/', '/Secret/', '//secret/', '/sécret/', '*', '']
)
def test_path_without_the_token_is_refused(path: str) -> None:
    """Whatever else is right."""
    assert OPEN.problem(path, 'robot:8850', 'http://robot:8850', needs_origin=False)


def test_path_with_the_token_is_served_by_any_name_of_the_machine() -> None:
    """The server does not know its names in the network."""
    assert OPEN.problem('/secret/stream', 'a:1', 'http://a:1', needs_origin=True) is None


@pytest.mark.parametrize('host', ['evil.example:8850', '127.0.0.1:1', '127.0.0.1', ''])
def test_other_name_of_this_machine_is_refused(host: str) -> None:
    """A foreign page may let its own name resolve to this machine (DNS rebinding)."""
    assert LOCAL.problem('/', host, None, needs_origin=False)


@pytest.mark.parametrize(
    'origin', [None, 'null', 'http://evil.example', 'http://127.0.0.1:1', 'http://localhost:8850']
)
def test_other_origin_neither_commands_nor_receives(origin: str | None) -> None:
    """A browser sends the origin of the page that makes the request."""
    assert LOCAL.problem('/stream', HOST, origin, needs_origin=True)


@pytest.mark.parametrize('host', [HOST, 'localhost:8850', '[::1]:8850'])
def test_the_page_itself_is_served(host: str) -> None:
    """By each name of the loopback."""
    assert LOCAL.problem('/', host, None, needs_origin=False) is None
    assert LOCAL.problem('/stream', host, f'http://{host}', needs_origin=True) is None
