"""The mode that is shown is the mode that trades, whatever keys and addresses are set."""

from decimal import Decimal

import pytest

from api.assembly.live import check_account, check_venue, host_of, shown
from broker.alpaca import AlpacaBrokerConfig
from domain.account import Account
from domain.errors import ConfigError

LIVE, PAPER = "https://api.alpaca.markets", "https://paper-api.alpaca.markets"
LOCAL, PROXY = "http://127.0.0.1:8900", "https://proxy.example"


def venue(key, url=None, *, paper=True):
    return AlpacaBrokerConfig(key=key, secret="s", paper=paper, rest_url=url)


def account(number):
    money = dict.fromkeys(
        ("equity", "cash", "buying_power", "non_marginable_buying_power", "last_equity"), Decimal(1)
    )
    return Account(account_id=number, **money)


@pytest.mark.parametrize(
    ("mode", "key", "url", "code"),
    [
        ("live", "PK1", None, "KEYS_ARE_PAPER"),
        ("live", "PK1", LOCAL, "KEYS_ARE_PAPER"),
        ("live", "AK1", PAPER, "URL_IS_NOT_LIVE"),
        ("live", "AK1", PROXY, "URL_IS_NOT_LIVE"),
        ("live", "AK1", "https://api.alpaca.markets.evil.example", "URL_IS_NOT_LIVE"),
        ("paper", "AK1", None, "KEYS_ARE_LIVE"),
        ("paper", "AK1", PAPER, "KEYS_ARE_LIVE"),
        ("paper", "AK1", LIVE, "URL_IS_LIVE"),
        ("paper", "PK1", LIVE, "URL_IS_LIVE"),
        ("paper", "PK1", "https://API.alpaca.markets:443/", "URL_IS_LIVE"),
        ("watch", "AK1", None, "KEYS_ARE_LIVE"),
    ],
)
def test_keys_and_hosts_that_would_make_the_mode_a_lie_are_refused(mode, key, url, code):
    """One line each, before anything is sent."""
    with pytest.raises(ConfigError) as refused:
        check_venue(mode, venue(key, url, paper=mode != "live"))
    assert refused.value.code == code
    assert "\n" not in refused.value.line


@pytest.mark.parametrize(
    ("mode", "key", "url"),
    [
        ("live", "AK1", None),
        ("live", "AK1", LIVE),
        ("live", "LOCALKEY", LOCAL),
        ("paper", "PK1", None),
        ("paper", "PK1", PAPER),
        ("paper", "LOCALKEY", LOCAL),
        ("paper", "PK1", PROXY),
        ("watch", "PK1", None),
        ("watch", "AK1", LIVE),
    ],
)
def test_keys_at_their_own_venue_are_taken(mode, key, url):
    """A proxy may stand before paper: the account's number tells what it leads to."""
    check_venue(mode, venue(key, url, paper=mode != "live"))


def test_the_venues_own_word_about_the_account_decides():
    """A proxy that leads to the live venue shows itself by the account's number."""
    check_account("paper", account("PA3ABC"))
    check_account("live", account("912345678"))
    with pytest.raises(ConfigError) as refused:
        check_account("paper", account("912345678"))
    assert refused.value.code == "ACCOUNT_IS_LIVE"
    with pytest.raises(ConfigError) as refused:
        check_account("live", account("PA3ABC"))
    assert refused.value.code == "ACCOUNT_IS_PAPER"


def test_the_host_is_the_one_that_orders_go_to():
    """None of ours means Alpaca's own; a number is shown by its end."""
    assert host_of(venue("k")) == "paper-api.alpaca.markets"
    assert host_of(venue("k", paper=False)) == "api.alpaca.markets"
    assert host_of(venue("k", LOCAL)) == "127.0.0.1"
    assert shown("912345678") == "...5678"
