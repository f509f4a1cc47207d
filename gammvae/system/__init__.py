"""What the program asks of the operating system: memory, cores, paths, files, terminal output."""
