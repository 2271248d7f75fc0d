"""Publish results, with one module per output."""
