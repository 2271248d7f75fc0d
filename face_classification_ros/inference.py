"""Load networks into ONNX Runtime, all in the same way."""

from __future__ import annotations

from pathlib import Path

import onnxruntime


def load_network(model: Path | bytes, *, threads: int = 1) -> onnxruntime.InferenceSession:
    """Load a network, to be run on the processor.

    Args:
        model: path of an ONNX file, or its content.
        threads: processor threads for one call.

    Raises:
        ValueError: ONNX Runtime cannot run it; the text is the first line of what it says.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait for the next call would keep whole cores busy: with two threads the
    # processor time of a face triples.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    # Errors are raised; what is merely logged (unused initialisers and the like) says nothing to
    # a user of the robot.
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            model if isinstance(model, bytes) else str(model),
            options,
            providers=['CPUExecutionProvider'],
        )
    except Exception as error:  # ONNX Runtime's errors share no narrower base class.
        raise ValueError(str(error).splitlines()[0]) from error
