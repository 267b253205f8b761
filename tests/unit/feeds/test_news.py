"""News: what of a stranger's text survives, and that a story counts once."""

from domain.market import MAX_NEWS, NewsItem
from feeds.news import MAX_HEADLINE, MAX_SUMMARY, REMEMBERED, NewsShelf, cleaned, spelled


def article(number, headline="Headline", ts=0, **fields):
    fields = {"summary": "", "source": "wire", "symbols": ("AAPL",)} | fields
    return NewsItem(str(number), ts, headline, **fields)


def test_every_text_of_an_article_is_bounded():
    item = cleaned(article("9" * 500, "h" * 500, summary="s" * 5_000, source="x" * 500))
    assert (len(item.headline), len(item.summary)) == (MAX_HEADLINE, MAX_SUMMARY)
    assert len(item.id) == len(item.source) == 40


def test_crypto_is_spelled_our_way_and_others_stay():
    item = spelled(article(1, symbols=("BTCUSD", "AAPL")), ["BTC/USD", "AAPL"])
    assert item.symbols == ("BTC/USD", "AAPL")


def test_a_symbol_that_only_looks_like_ours_is_another():
    """A Greek capital alpha before APL; a long s that upper case would make an S."""
    strange = ("\u0391APL", "AAPL\u200b", "\uff21APL", "\u017fPY", "aapl", " AAPL")
    assert spelled(article(1, symbols=strange), ["AAPL", "SPY"]).symbols == strange


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


def test_one_source_that_repeats_itself_in_other_letters_counts_once():
    """Accents, punctuation, Cyrillic and Greek look-alikes make no new story of an old one."""
    shelf = NewsShelf()
    again = [
        "Apple beats",
        "\u0410pple be\u0430ts",
        "\u0391ppl\u0435  BE\u0391TS!!",
        "\u00c1pple, b\u00e9ats",
    ]
    assert [shelf.put(article(n, text)) for n, text in enumerate(again)] == [True, *[False] * 3]


def test_a_flood_of_articles_does_not_make_their_ids_push_stories_out():
    """Ids and headlines are remembered apart."""
    shelf = NewsShelf()
    for number in range(REMEMBERED):
        assert shelf.put(article(number, f"Story {number}"))
    assert not any(shelf.put(article(1000 + n, f"Story {n}")) for n in range(REMEMBERED))


def test_the_same_article_again_is_no_news_though_its_headline_changed():
    shelf = NewsShelf()
    assert shelf.put(article(1, "First"))
    assert not shelf.put(article(1, "Corrected"))
