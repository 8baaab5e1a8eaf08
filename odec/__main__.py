"""`python -m odec` is `odec`."""

from odec.cli import main

if __name__ == "__main__":
    main()
