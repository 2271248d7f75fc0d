"""The command `face_classification`: one module per sub-command."""
