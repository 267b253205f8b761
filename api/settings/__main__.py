"""Print `.env.example`."""

import sys

from api.settings.template import example

sys.stdout.write(example())
