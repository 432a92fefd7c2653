"""The command, as `python -m meshproof`."""

from meshproof.cli import main

if __name__ == "__main__":
    main()
