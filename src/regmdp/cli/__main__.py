"""``python -m regmdp.cli``."""

from regmdp.cli import main

main()
