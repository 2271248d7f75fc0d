"""Keep the state of the node in one place, with stable codes for what it prevents."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Lifecycle(Enum):
    """Primary states of a managed node."""

    UNCONFIGURED = 'unconfigured'
    INACTIVE = 'inactive'
    ACTIVE = 'active'
    FINALIZED = 'finalized'


@dataclass(frozen=True)
class Reason:
    """Why something is not possible now.

    Attributes:
        code: stable, for programs.
        text: one line for people.
    """

    code: str
    text: str


@dataclass
class NodeState:
    """The state of the node.

    Attributes:
        node: full name of the node.
        lifecycle: state of its life cycle.
        is_enabled: whether images are processed while it is active.
        load_error: why detector and models could not be loaded, "" if they could.
    """

    node: str
    lifecycle: Lifecycle = Lifecycle.UNCONFIGURED
    is_enabled: bool = True
    load_error: str = ''

    @property
    def is_loaded(self) -> bool:
        """Whether detector and models are loaded."""
        return self.lifecycle in (Lifecycle.INACTIVE, Lifecycle.ACTIVE)

    @property
    def is_processing(self) -> bool:
        """Whether images are processed."""
        return self.lifecycle is Lifecycle.ACTIVE and self.is_enabled

    @property
    def unloaded_reason(self) -> Reason | None:
        """Why detector and models are not loaded; None if they are."""
        return None if self.is_loaded else self._lifecycle_reason

    @property
    def inactive_reason(self) -> Reason | None:
        """Why no images are processed; None if they are."""
        if self.lifecycle is not Lifecycle.ACTIVE:
            return self._lifecycle_reason
        if not self.is_enabled:
            return Reason('disabled', f'the node is disabled; call {self.node}/enable')
        return None

    @property
    def _lifecycle_reason(self) -> Reason:
        return Reason(self.lifecycle.value, f'the node is {self.lifecycle.value}')
