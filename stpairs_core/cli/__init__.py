"""The `stpairs` command. It knows the seams, and no framework."""

from stpairs_core.cli.main import main

__all__ = ["main"]
