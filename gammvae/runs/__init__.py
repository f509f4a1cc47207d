"""What a run leaves on disk: written whole, read with types and ranges, shared."""
