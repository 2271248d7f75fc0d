"""Read images, videos and bags, and write result records."""
