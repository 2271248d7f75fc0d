"""Receive images, depth and calibration from the topics of a camera."""
