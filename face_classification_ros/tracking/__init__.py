"""Track faces over time: detections go in, track ids and filtered distributions come out."""
