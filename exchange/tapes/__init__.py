"""The tape that comes with the exchange: real ticks, so that a demo needs no account.

`es-2013-09.tape.zst` holds 169,686 trades of 3 September 2013, 08:00 to 14:30 UTC, cut from the
tick data in the mlfinpy 0.1.2 wheel (MIT) by `make`. Prices, sizes and times are real; the symbol
is inferred from their level (E-mini S&P 500), times were read as US Central because trading begins
at 17:00 on a Sunday. Venue, conditions and tape codes are placeholders that Alpaca's messages
need. The recording has no quotes: the player synthesises them, one tick wide, under the venue code
`SYN`.
"""

from pathlib import Path

ES_TAPE = Path(__file__).parent / "es-2013-09.tape.zst"
ES_SYMBOL = "ES"
ES_NAME = "E-mini S&P 500 (inferred), real ticks, 1-3 Sept 2013, from the mlfinpy 0.1.2 wheel (MIT)"
