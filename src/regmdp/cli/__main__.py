"""``python -m regmdp.cli``."""

from regmdp.cli.commands import main

main()
