"""Declare, read, check and change the parameters of the node."""
