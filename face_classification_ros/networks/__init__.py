"""Framework to describe and build CNNs, and the networks built with it."""
