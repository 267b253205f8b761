"""Let `python -m api.cli` be the `autohedge` command."""

from api.cli.main import main

main()
