"""The sub-commands of `face_classification`."""
