"""Provide the clock of timers that run also while the time of ROS stands still."""

from __future__ import annotations

from rclpy.clock import Clock, ClockType

STEADY = Clock(clock_type=ClockType.STEADY_TIME)
"""Clock of timeouts: the time of ROS stands still while a recording is paused."""

MAX_TIMEOUT = 1e9
"""Longest period of a timer in seconds."""
