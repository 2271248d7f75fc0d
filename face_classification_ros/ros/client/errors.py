"""Define the errors of the client: which request failed, and why."""

from __future__ import annotations

from collections.abc import Sequence


class FaceClientError(RuntimeError):
    """A request to the node failed; the text says why in one line."""


class ClientStartError(FaceClientError):
    """The client cannot join ROS in this environment."""


class ServerUnavailableError(FaceClientError):
    """The service or action does not exist.

    Attributes:
        server: full name of the service or action.
        node_state: life-cycle state of the node, such as "inactive"; "" if the node does not
            exist or does not report its state.
        alternatives: full names of other nodes that offer the same services.
    """

    def __init__(
        self, server: str, reason: str, node_state: str = '', alternatives: Sequence[str] = ()
    ) -> None:
        """Name the server and say why it is missing."""
        super().__init__(f'{server} is not available: {reason}')
        self.server = server
        self.node_state = node_state
        self.alternatives = tuple(alternatives)


class ResponseTimeoutError(FaceClientError, TimeoutError):
    """The service or action exists but did not respond in time.

    Attributes:
        server: full name of the service or action.
        timeout: seconds that the client waited.
    """

    def __init__(self, server: str, timeout: float) -> None:
        """Name the server and how long the client waited."""
        super().__init__(f'{server} did not respond within {timeout:.1f} s')
        self.server = server
        self.timeout = timeout


class RequestRejectedError(FaceClientError):
    """The node rejected the request.

    Attributes:
        server: full name of the service or action.
        code: stable code of the reason, such as "inactive" or "no_image_in_time", see the manual.
        reason: of the node, in words.
    """

    def __init__(self, server: str, code: str, reason: str) -> None:
        """Name the server and pass on the reason of the node."""
        super().__init__(f'{server} rejected the request: {reason}')
        self.server = server
        self.code = code
        self.reason = reason


class ClientClosedError(FaceClientError):
    """The client was closed, its thread ended with an error, or ROS was shut down."""
