"""From a pretrained autoencoder to a mixture: neighbor graph, partitions, EM."""
