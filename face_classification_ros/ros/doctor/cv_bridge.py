"""Check how images are converted, and whether cv_bridge and numpy fit together."""

from __future__ import annotations

from collections.abc import Iterator
import importlib.util

import numpy as np

from face_classification_ros.doctor.findings import Finding, OK, WARN
from face_classification_ros.ros.conversions.images import Converter, converter, CV_BRIDGE


def check_cv_bridge() -> Iterator[Finding]:
    """Check the conversion of images that the node uses."""
    is_installed = importlib.util.find_spec('cv_bridge') is not None
    yield evaluate_converter(converter(), is_installed, np.__version__)


def evaluate_converter(used: Converter, is_installed: bool, numpy_version: str) -> Finding:
    """Report why cv_bridge is not used.

    Args:
        used: the conversion that the node uses.
        is_installed: whether cv_bridge is installed.
        numpy_version: version of numpy.
    """
    if used is CV_BRIDGE:
        return Finding('cv-bridge-ok', OK, 'cv_bridge', 'converts images')
    if not is_installed:
        text = 'not installed; images are converted without it'
        return Finding('cv-bridge-not-installed', OK, 'cv_bridge', text)
    text = f'images are converted without it: {used.name}'
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
