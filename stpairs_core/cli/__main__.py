"""`python -m stpairs_core.cli`, for launchers that start modules."""

import sys

from stpairs_core.cli.main import main

sys.exit(main())
