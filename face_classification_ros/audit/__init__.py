"""Audit classifiers for bias: groups of people, perturbations, significance."""
