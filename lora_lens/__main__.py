"""The program's first step, here and by ``python -m lora_lens``: little is loaded yet, and Ctrl-C is heard already."""

from __future__ import annotations

import sys


def main() -> None:
    """Load the command line and run it; interrupted before it can say so itself, say so for it."""
    try:
        from .cli import main as run

        run()
    except KeyboardInterrupt as error:
        sys.stderr.write("lora-lens: interrupted; nothing is half-written\n")
        sys.exit(getattr(error, "code", 130))  # SIGTERM and SIGHUP have codes of their own


if __name__ == "__main__":
    main()
