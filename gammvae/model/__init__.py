"""The generative model, its networks and distributions, and the ELBO."""
