"""`python -m smalldet.cli` is `smalldet`."""

from smalldet.cli import main

if __name__ == "__main__":
    main()
