"""``python -m fpsde``: the command line."""

import sys

from fpsde.cli import main

sys.exit(main())
