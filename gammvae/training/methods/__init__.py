"""Clustering methods, one per file: the stages of a run, and how samples are assigned."""
