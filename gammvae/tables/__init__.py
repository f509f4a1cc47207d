"""Comparison of finished runs: tables, statistical tests, seeds."""
