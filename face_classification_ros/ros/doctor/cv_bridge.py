"""Check how images are converted, and whether cv_bridge and numpy fit together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from face_classification_ros.doctor.findings import Finding, OK, WARN
from face_classification_ros.ros.conversions.images import Converter, converter


def check_cv_bridge() -> Iterator[Finding]:
    """Check the conversion of images that the node uses."""
    yield evaluate_converter(converter(), np.__version__)


def evaluate_converter(used: Converter, numpy_version: str) -> Finding:
    """Report why cv_bridge is not used.

    Args:
        used: the conversion that the node uses.
        numpy_version: version of numpy.
    """
    if used.name == 'cv_bridge':
        return Finding('cv-bridge-ok', OK, 'cv_bridge', 'converts images')
    if not used.cv_bridge_error:
        text = f'not installed; images are converted by {used.name}'
        return Finding('cv-bridge-not-installed', OK, 'cv_bridge', text)
    text = f'{used.cv_bridge_error}; images are converted by {used.name}'
    if int(numpy_version.partition('.')[0]) >= 2:
        return Finding(
            'numpy-too-new-for-cv-bridge',
            WARN,
            'cv_bridge',
            text,
            'other nodes need it: pip install "numpy<2" where they run',
        )
    remedy = 'other nodes need it: reinstall it'
    return Finding('cv-bridge-broken', WARN, 'cv_bridge', text, remedy)
