"""Find faces in camera pictures and tell gender and emotion of each, in real time."""

import os

# ONNX Runtime 1.32 and later reports its use over the network and keeps an identifier of the
# machine in the home folder, unless this is set before its first import. A robot's perception
# does neither.
os.environ['ORT_DISABLE_TELEMETRY'] = '1'

# TensorFlow leaves Intel's oneDNN out on many processors of other makers, where training is half
# as fast without it.
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
# Nor does anybody need to read on every start which of them it uses.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

MAX_PIXELS = 64_000_000
"""The largest picture that is decoded, five times the 12 megapixels of big cameras."""

# OpenCV keeps to it, too, by the size that it reads itself, unless it was imported before. Who has
# larger pictures sets the variable.
os.environ.setdefault('OPENCV_IO_MAX_IMAGE_PIXELS', str(MAX_PIXELS))
# What OpenCV logs of each bad picture is less than what is raised, and nothing holds it back.
os.environ.setdefault('OPENCV_LOG_LEVEL', 'FATAL')
