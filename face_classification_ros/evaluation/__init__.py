"""Measure classifiers and detectors: metrics, confusion matrix, calibration."""
