"""Draw faces on images: boxes, labels, contact sheets."""
