"""Train classifiers from a recipe and export them as model files."""
