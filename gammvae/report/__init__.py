"""A run in pictures, as one HTML file."""
