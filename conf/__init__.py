"""The configuration files, shipped as ``gammvae.conf``."""
