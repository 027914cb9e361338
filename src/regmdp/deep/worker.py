"""A worker process of asynchronous methods; its job comes on standard input."""

import sys
from pathlib import Path

from regmdp.deep.asynchronous import work

if __name__ == "__main__":
    work(sys.stdin.buffer.read(), Path(sys.argv[1]), *(int(argument) for argument in sys.argv[2:5]))
