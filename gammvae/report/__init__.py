"""Reports: the figures and pictures of runs in one HTML file."""
