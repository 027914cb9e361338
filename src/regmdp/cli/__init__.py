"""The command line program ``regmdp``."""

from regmdp.cli.application import app, main

__all__ = ["app", "main"]
