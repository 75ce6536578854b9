"""`python -m practicum` is the command `practicum`."""

import sys

from practicum.cli import main

sys.exit(main())
