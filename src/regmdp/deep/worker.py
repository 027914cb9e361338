"""A worker process of asynchronous methods; it reads its task from standard input."""

import sys
from pathlib import Path

from regmdp.deep.asynchronous import run_worker

if __name__ == "__main__":
    run_worker(
        sys.stdin.buffer.read(), Path(sys.argv[1]), *(int(argument) for argument in sys.argv[2:])
    )
