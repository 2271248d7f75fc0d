"""See what a network sees: guided back-propagation, gradients and Grad-CAM of a model file."""

METHODS = ('guided', 'gradient', 'grad_cam')
"""Guided back-propagation, the gradient itself, Grad-CAM."""
