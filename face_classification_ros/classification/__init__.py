"""Estimate attributes of faces: from crops to probability distributions."""
