"""Decide which requests the page server serves: by token, host name and origin."""

from __future__ import annotations

from dataclasses import dataclass
import ipaddress
import secrets

TOKEN_BYTES = 18
"""Random bytes of a token, 24 characters in an address."""

HEADERS = {
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "default-src 'none'; connect-src 'self'; img-src 'self' blob:; "
    "script-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
    # The address has the token.
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
}
"""Of every response: the browser loads nothing but the page, and shows it in no other page."""


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a server that listens on a host."""
    if host == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Access:
    """Who may use the page.

    Attributes:
        host: that the server listens on.
        port: that the server listens on.
        token: first part of the path of every address; "" for a server that only this machine
            reaches.
    """

    host: str
    port: int
    token: str

    @property
    def prefix(self) -> str:
        """The beginning of the path of all addresses, with a slash at both ends."""
        return f'/{self.token}/' if self.token else '/'

    def url(self, host: str) -> str:
        """Return the address of the page on a host, which may be an IPv6 address."""
        name = f'[{host}]' if ':' in host else host
        return f'http://{name}:{self.port}{self.prefix}'

    def problem(
        self, path: str, host: str, origin: str | None, *, needs_origin: bool
    ) -> str | None:
        """Return why a request is refused, None if it is served.

        Args:
            path: of the address.
            host: the header Host, "" without it.
            origin: the header Origin, None without it.
            needs_origin: whether the request changes something or reads the stream, which the
                page of another server must not be able to do.
        """
        if self.token:
            # Some requests have a path without a slash, such as OPTIONS *.
            given = path.removeprefix('/').partition('/')[0].encode()
            if not secrets.compare_digest(given, self.token.encode()):
                return 'the address has no valid token'
        elif host not in self._hosts():
            # Otherwise another page gets in by a name of its own that resolves to this machine.
            return f'the host {host!r} is not this machine'
        if needs_origin and origin not in (f'http://{host}', f'https://{host}'):
            return f'the origin {origin!r} is not this page'
        return None

    def _hosts(self) -> set[str]:
        names = {'localhost', '127.0.0.1', '[::1]', self.host}
        return {f'{name}:{self.port}' for name in names}


def create_access(host: str, port: int) -> Access:
    """Return the access to a server, with a new token if others reach it than this machine."""
    token = '' if is_loopback(host) else secrets.token_urlsafe(TOKEN_BYTES)
    return Access(host, port, token)
