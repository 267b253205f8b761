"""Write every page where it belongs; run it at the root of the repository."""

import sys
from pathlib import Path

from api.reference import PAGES

for name, page in PAGES.items():
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{name}\n")
