"""Runs from top to bottom: the method, what it is compared with, and the training loop."""
