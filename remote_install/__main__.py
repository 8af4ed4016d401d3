"""python -m remote_install"""

import sys

from remote_install.cli import main

if __name__ == "__main__":
    sys.exit(main())
