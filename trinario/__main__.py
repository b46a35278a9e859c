"""``python -m trinario``."""

import sys

from trinario.main import main

if __name__ == "__main__":
    sys.exit(main())
