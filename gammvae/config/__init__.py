"""The configuration: its types, ranges and rules."""
