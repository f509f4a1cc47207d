"""From the name of a dataset or a file to samples: loaders, tables, downloads, preprocessing."""
