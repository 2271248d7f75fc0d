"""Run ONNX model files: sessions, checks of untrusted files, and the shipped models."""
