"""Start of the program: `python3 registry.pyz`, or `python3 -m dockboard_registry` in a source tree."""

import sys

# The grammar of this file is for old Pythons too: they should say this, and not that there is a syntax error.
if sys.version_info < (3, 11):
    sys.exit(
        "registry needs Python 3.11 or later; this is Python %d.%d (%s)" % (sys.version_info[:2] + (sys.executable,))
    )

from dockboard_registry.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
