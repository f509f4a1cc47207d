"""A search for settings without classes: what is tried, how it is judged, and what is kept."""
