"""The command-line interface: the commands and what they print."""
