"""The job host program without ssh: run as a file by `place.verb`, it does one verb on this machine."""

import os
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from remote_install.jobhost.__main__ import main

    sys.exit(main())
