"""``python -m gammvae``."""

from gammvae.cli.main import main

if __name__ == "__main__":
    main()
