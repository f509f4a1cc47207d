"""Runs from top to bottom: the paper's method, the baselines and the training loop."""
