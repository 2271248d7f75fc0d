"""Measure classifiers and detectors on labeled data."""
