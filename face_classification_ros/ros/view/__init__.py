"""The page in the browser: shows what a running node publishes, and changes its parameters."""
