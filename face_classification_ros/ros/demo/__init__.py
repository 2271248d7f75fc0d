"""The demo and its sample camera."""
