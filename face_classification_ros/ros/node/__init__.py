"""The node: images in, faces out."""
