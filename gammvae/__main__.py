"""``python -m gammvae``."""

from gammvae.cli import main

if __name__ == "__main__":
    main()
