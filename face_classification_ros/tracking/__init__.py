"""Follow faces over time: boxes go in, track ids and smoothed distributions come out."""
