"""From the file of a table or an array to samples, named features and classes."""
