"""Find faces in camera pictures and tell gender and emotion of each, in real time."""
