"""Finished runs side by side: tables, comparisons, seeds."""
