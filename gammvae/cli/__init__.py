"""The command line: one command after the other, and what they print."""
