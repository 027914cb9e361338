"""``python -m regmdp`` is the command line."""

from regmdp.cli import main

main()
