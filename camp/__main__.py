"""``python -m camp`` is ``camp``."""

import sys

from camp.cli import main

if __name__ == "__main__":
    sys.exit(main())
