"""Serve a seeded symbol's minutes: any of them, from the seed, the symbol and its place alone."""

from collections import OrderedDict

from exchange.market.hours import Hours
from exchange.market.minute import NS_PER_MINUTE, Minute
from exchange.market.records import Article, Candle, Notice
from exchange.market.seeded.daily import older_days
from exchange.market.seeded.headlines import articles
from exchange.market.seeded.notices import notices
from exchange.market.seeded.path import Path, PathProfile, Place
from exchange.market.seeded.profile import SeededProfile
from exchange.market.seeded.ticks import draw

_KEPT_MINUTES = 8


class SeededSource:
    """Play one seeded symbol: `history_minutes` of open market before the origin, then for ever.

    Its price path starts at the first minute of that history, so two exchanges with one seed
    and one origin are the same to the byte.
    """

    switch_ns: int | None = None

    def __init__(
        self,
        symbol: str,
        profile: SeededProfile,
        *,
        seed: int,
        hours: Hours,
        origin_ns: int,
        history_minutes: int = 420,
    ) -> None:
        self.symbol = symbol
        self.hours = hours
        self.first_minute = hours.minutes_back(origin_ns // NS_PER_MINUTE, history_minutes)
        self._profile = profile
        self._seed = seed
        self._is_crypto = "/" in symbol
        path = PathProfile(
            start_price=profile.start_price,
            volatility_bps=profile.volatility_bps,
            can_halt=profile.has_surprises and not self._is_crypto,
        )
        self._path = Path(path, seed=seed, symbol=symbol)
        self._indexes: list[int | None] = []
        self._open_minutes = 0
        self._kept: OrderedDict[int, Minute] = OrderedDict()

    def switch(self) -> None:
        """Do nothing: a seeded market never starts over."""

    def minute(self, minute: int) -> Minute:
        """Return a minute at or after the first; the newest few asked for are kept."""
        if minute not in self._kept:
            self._kept[minute] = self._draw(minute)
            if len(self._kept) > _KEPT_MINUTES:
                self._kept.popitem(last=False)
        return self._kept[minute]

    def articles(self, minute: int) -> list[Article]:
        """Return the minute's news without drawing its ticks."""
        place = self._place(minute)
        if place is None or not self._profile.has_surprises:
            return []
        return articles(place, self._path.step(place.nth), seed=self._seed)

    def older_days(self) -> list[Candle]:
        """Return the daily bars of days before the first minute's, oldest first."""
        return older_days(
            self.symbol,
            self._profile,
            seed=self._seed,
            hours=self.hours,
            first_minute=self.first_minute,
        )

    def _draw(self, minute: int) -> Minute:
        place = self._place(minute)
        if place is None:
            return Minute(symbol=self.symbol, start_ns=minute * NS_PER_MINUTE)
        step, profile = self._path.step(place.nth), self._profile
        activity = self.hours.activity(minute)
        prints, quotes = draw(place, step, profile, seed=self._seed, activity=activity)
        told: list[Notice] = [*self.articles(minute)]
        if profile.has_surprises and not self._is_crypto:
            told.extend(notices(place, step, prints, profile, seed=self._seed))
        return Minute(
            symbol=self.symbol,
            start_ns=place.start_ns,
            prints=prints,
            quotes=quotes,
            notices=tuple(told),
        )

    def _place(self, minute: int) -> Place | None:
        """Return the minute's place among the open ones since the first, None when closed."""
        since = minute - self.first_minute
        if self.hours.always_open:
            return Place(self.symbol, since, minute)
        while len(self._indexes) <= since:
            is_open = self.hours.is_open(self.first_minute + len(self._indexes))
            self._indexes.append(self._open_minutes if is_open else None)
            self._open_minutes += is_open
        index = self._indexes[since]
        return None if index is None else Place(self.symbol, index, minute)
