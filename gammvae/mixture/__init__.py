"""Mixtures of Gamma distributions by EM, without a network."""
