"""Readers of face data sets in their published layouts."""
