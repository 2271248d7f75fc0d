"""Train classifiers by a recipe and export them as model files."""
