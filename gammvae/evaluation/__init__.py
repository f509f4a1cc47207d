"""Cluster assignments and their scores, generated samples and their realism."""
