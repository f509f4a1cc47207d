"""From a name or a file to samples: loaders, tables, downloads, preprocessing."""
