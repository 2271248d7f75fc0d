"""Tell attributes of faces: crops go in, probability distributions come out."""
