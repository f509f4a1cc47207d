"""Published datasets: their files, downloaded and verified, and what is computed from them once."""
