"""Play recordings through the node and compare the results with expectations."""
