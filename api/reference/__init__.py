"""Write the references from the tables and declarations that the code itself runs on.

`python -m api.reference` writes them all; a test holds each page equal to what the code says.
"""

from api.reference.cli import cli_page
from api.reference.codes import codes_page
from api.reference.dashboard import dashboard_file
from api.reference.data import data_page
from api.reference.http import http_page
from api.reference.limits import limits_page
from api.reference.metrics import metrics_page
from api.reference.settings import settings_page

PAGES = {
    "docs/limits.md": limits_page,
    "docs/reference/cli.md": cli_page,
    "docs/reference/data.md": data_page,
    "docs/reference/denial-codes.md": codes_page,
    "docs/reference/http.md": http_page,
    "docs/reference/metrics.md": metrics_page,
    "docs/reference/settings.md": settings_page,
    "ops/grafana/autohedge.json": dashboard_file,
}
"""Every page by its path from the root of the repository."""

__all__ = ["PAGES"]
