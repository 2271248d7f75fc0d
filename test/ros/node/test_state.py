"""The state of the node has a stable code for what it prevents."""

from __future__ import annotations

import pytest

from face_classification_ros.ros.node.state import Lifecycle, NodeState, Reason


@pytest.mark.parametrize('lifecycle', [Lifecycle.UNCONFIGURED, Lifecycle.FINALIZED])
def test_node_without_models_neither_classifies_nor_processes(lifecycle: Lifecycle) -> None:
    """Both reasons are the state of the life cycle."""
    state = NodeState('/node', lifecycle)
    reason = Reason(lifecycle.value, f'the node is {lifecycle.value}')
    assert state.unloaded_reason == state.inactive_reason == reason
    assert not state.is_loaded and not state.is_processing


def test_inactive_node_classifies_still_images() -> None:
    """Models are loaded, and the camera is not used."""
    state = NodeState('/node', Lifecycle.INACTIVE)
    assert state.is_loaded and state.unloaded_reason is None
    assert not state.is_processing
    assert state.inactive_reason == Reason('inactive', 'the node is inactive')


def test_disabled_node_names_the_service_that_enables_it() -> None:
    """It is active, and processes nothing."""
    state = NodeState('/head/node', Lifecycle.ACTIVE)
    assert state.is_processing and state.inactive_reason is None
    state.is_enabled = False
    assert not state.is_processing
    reason = Reason('disabled', 'the node is disabled; call /head/node/enable')
    assert state.inactive_reason == reason
