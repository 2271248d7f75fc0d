"""What the node publishes, one module per output."""
