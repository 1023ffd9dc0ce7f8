"""``python -m nightstack`` is the ``nightstack`` command."""

import sys

from nightstack.cli import main

sys.exit(main())
