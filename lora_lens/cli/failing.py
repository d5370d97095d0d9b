"""How a command fails: one line on standard error and exit 1; 130 when it was interrupted."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from ..errors import LensError


class LensGroup(TyperGroup):
    """Turns every LensError, and running out of memory, into one line and exit 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; every way it fails on purpose ends here."""
        try:
            return super().invoke(ctx)
        except LensError as error:
            _fail(" ".join(str(error).split()))
        except KeyboardInterrupt:
            _fail(
                "interrupted; nothing is half-written (a training run goes on with --resume)",
                code=130,
            )
        except MemoryError:
            _fail("out of memory; try fewer --draws")
        except BrokenPipeError:
            # The reader has gone; keep Python from complaining about it once more at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except RuntimeError as error:
            if "out of memory" not in str(error):
                raise
            _fail("the device is out of memory; try --device cpu or fewer --draws")


def _fail(message: str, code: int = 1) -> None:
    typer.echo(f"lora-lens: {message}", err=True)
    raise typer.Exit(code)
