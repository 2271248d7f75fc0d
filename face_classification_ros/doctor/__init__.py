"""Check what is installed and how the machine is set up, without ROS.

Nothing here imports another package at its top, so that these checks run where all else is broken.
"""
