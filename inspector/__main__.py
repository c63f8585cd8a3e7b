"""``python -m inspector`` is the command line."""

from inspector.cli import main

if __name__ == "__main__":
    main(prog_name="inspector")
