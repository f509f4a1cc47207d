"""Deep clustering with a Gamma mixture variational autoencoder."""

__version__ = "0.1.0"
