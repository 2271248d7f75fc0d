"""Compute where faces are in space."""
