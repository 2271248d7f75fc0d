"""Find faces in camera pictures and tell gender and emotion of each, in real time."""

import os

# ONNX Runtime 1.32 and later reports its use over the network and keeps an identifier of the
# machine in the home folder, unless this is set before its first import. A robot's perception
# does neither.
os.environ['ORT_DISABLE_TELEMETRY'] = '1'
