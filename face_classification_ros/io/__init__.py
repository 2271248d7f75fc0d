"""Read images, videos and recordings, classify whole files, and write results."""
