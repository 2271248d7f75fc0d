"""Find out for whom, and under which conditions, a classifier is wrong more often."""
