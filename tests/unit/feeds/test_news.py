"""News: what of a stranger's text survives, and that a story counts once."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.market import MAX_NEWS, NewsItem
from feeds.news import MAX_HEADLINE, MAX_SUMMARY, NewsShelf, clean, cleaned, spelled


def article(number, headline="Headline", ts=0, **fields):
    fields = {"summary": "", "source": "wire", "symbols": ("AAPL",)} | fields
    return NewsItem(str(number), ts, headline, **fields)


@pytest.mark.parametrize(
    ("dirty", "visible"),
    [
        ("plain", "plain"),
        ("  many\t kinds\u00a0of\u2003space\r\n", "many kinds of space"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("\u202eright to left\u202c", "right to left"),
        ("\u2066isolated\u2069", "isolated"),
        ("\x1b[31mred\x00", "[31mred"),
        ("\uff21\uff21\uff30\uff2c \ufb01les", "AAPL files"),
        ("tag\U000e0041\U000e0042s", "tags"),
        ("private\ue000use", "privateuse"),
        ("Zürich \uffe55", "Zürich ¥5"),
        ("e" + "\u0301" * 40, "é" + "\u0301" * 3),
    ],
)
def test_only_what_a_reader_can_see_survives(dirty, visible):
    assert clean(dirty, 100) == visible


@given(st.text(), st.integers(1, 300))
def test_cleaned_text_is_one_short_visible_line_and_stays_so(text, limit):
    line = clean(text, limit)
    assert len(line) <= limit
    assert not any(unicodedata.category(char)[0] == "C" for char in line)
    assert line == " ".join(line.split())
    assert clean(line, limit) == line


def test_a_cut_says_so():
    assert clean("word " * 100, 20) == "word word word wo..."


def test_every_text_of_an_article_is_bounded():
    item = cleaned(article("9" * 500, "h" * 500, summary="s" * 5_000, source="x" * 500))
    assert (len(item.headline), len(item.summary)) == (MAX_HEADLINE, MAX_SUMMARY)
    assert len(item.id) == len(item.source) == 40


def test_crypto_is_spelled_our_way_and_others_stay():
    item = spelled(article(1, symbols=("BTCUSD", "AAPL")), ["BTC/USD", "AAPL"])
    assert item.symbols == ("BTC/USD", "AAPL")


def test_a_shelf_keeps_the_newest_whatever_came_first():
    shelf = NewsShelf()
    for number in (5, 1, 9, 3, *range(10, 30)):
        shelf.put(article(number, f"Story {number}", ts=number))
    assert [row.id for row in shelf.rows()] == [str(n) for n in range(29, 29 - MAX_NEWS, -1)]


def test_one_story_of_five_sources_counts_once():
    shelf = NewsShelf()
    told = [
        shelf.put(article(n, text)) for n, text in enumerate(["Up!", "UP", "up…", "Down", "Up!"])
    ]
    assert told == [True, False, False, True, False]


def test_the_same_article_again_is_no_news_though_its_headline_changed():
    shelf = NewsShelf()
    assert shelf.put(article(1, "First"))
    assert not shelf.put(article(1, "Corrected"))
