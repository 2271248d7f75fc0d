"""Model files are rejected with one line that says why, in words of this package."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from small_models import tiny_classifier

from face_classification_ros.inference.session import load_network


def reason_of(model: Path | bytes) -> str:
    """Return why a model is rejected."""
    with pytest.raises(ValueError) as raised:
        load_network(model)
    reason = str(raised.value)
    assert '\n' not in reason
    assert 'ONNXRuntimeError' not in reason
    return reason


def test_an_empty_file_is_rejected(tmp_path: Path) -> None:
    """As after an interrupted download."""
    path = tmp_path / 'empty.onnx'
    path.touch()
    assert reason_of(path) == 'it is empty'


def test_a_model_without_a_network_is_rejected() -> None:
    """It has a version only."""
    assert reason_of(onnx.ModelProto(ir_version=8).SerializeToString()) == 'it contains no network'


def test_a_file_that_cannot_be_read_is_rejected(tmp_path: Path) -> None:
    """Here since it is a folder."""
    assert 'Errno' not in reason_of(tmp_path)


def test_an_error_of_onnx_runtime_names_the_cause() -> None:
    """Without its prefix, but with the unknown operation."""
    model = tiny_classifier()
    model.graph.node[0].op_type = 'Unheard'
    assert 'Unheard' in reason_of(model.SerializeToString())
