"""Train classifiers: data sets, augmentation, recipes, export."""
