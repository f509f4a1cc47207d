"""How clusters are found, one file a method: the stages of its run, and how it assigns samples."""
