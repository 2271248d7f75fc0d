"""The CNN building framework and the networks made with it."""
