"""The client for behaviors."""
