"""Visualize what a network reacts to: guided back-propagation, gradients and Grad-CAM."""

METHODS = ('guided', 'gradient', 'grad_cam')
"""Guided back-propagation, the plain gradient, Grad-CAM."""
