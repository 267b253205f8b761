#!/bin/sh
# Back up a SQLite journal, beside a running bot, and hold the copy against its hashes.
# ops/backup.sh var/autohedge.sqlite3 /mnt/backups      AUTOHEDGE names the command (autohedge).
set -eu

journal=${1:?the journal, such as var/autohedge.sqlite3}
folder=${2:?the folder for backups}
autohedge=${AUTOHEDGE:-autohedge}
python=${PYTHON:-python3}

umask 077
mkdir -p "$folder"
copy="$folder/$(date -u +%Y%m%dT%H%M%SZ).sqlite3"

# One snapshot of the database (a copy of its files would tear what is being written), and the anchors
# up to its end: without any the audit would miss a witness, with later ones it would miss entries.
"$python" - "$journal" "$copy" <<'PY'
import json, pathlib, sqlite3, sys
source = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
with source, sqlite3.connect(sys.argv[2]) as copy:
    source.backup(copy)
    (last,) = copy.execute("select max(seq) from entries").fetchone()
anchors = pathlib.Path(f"{sys.argv[1]}.anchors")
if anchors.exists():
    lines = anchors.read_text().split("\n")[:-1]
    kept = [f"{line}\n" for line in lines if json.loads(line)["seq"] <= last]
    pathlib.Path(f"{sys.argv[2]}.anchors").write_text("".join(kept))
PY

"$autohedge" audit --database "sqlite:///$copy"
echo "$copy"
