"""Start the node, and report in one line that there is not enough memory for it."""

from __future__ import annotations

import sys

from face_classification_ros.memory import (
    check_address_space,
    is_out_of_memory,
    memory_error_text,
    NODE_SPACE,
)


def main(args: list[str] | None = None) -> int:
    """Run the node until a signal ends it.

    Args:
        args: command line without the program, that of the process if it is None.

    Returns:
        The exit code of `run_node`, or 2 if there is not enough memory to start.
    """
    try:
        check_address_space(NODE_SPACE)
        # Its libraries may need more memory than there is.
        from face_classification_ros.ros.node.process import run_node

        return run_node(args)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        print(f'face_classification: {memory_error_text(error)}', file=sys.stderr)
        return 2
