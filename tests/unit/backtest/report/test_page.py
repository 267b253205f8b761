"""The page: one file, nothing from outside, nothing of a stranger's that runs."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import msgspec
import pytest
from plotly.offline import get_plotlyjs

from backtest.records import Ended
from backtest.report import ReportInput, sheet_of, write_html, write_json
from backtest.report.page import render
from backtest.report.plots import figures, hover
from backtest.report.records import Mark, MarkKind, Sheet
from domain.errors import ConfigError


class Elements(HTMLParser):
    """Collect what a browser would make of a page."""

    def __init__(self):
        super().__init__()
        self.seen = []
        self.words = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)


def read(page: str) -> Elements:
    elements = Elements()
    elements.feed(page)
    return elements


@pytest.fixture
def page(given) -> str:
    return render(sheet_of(given))


def test_a_script_in_a_thesis_never_becomes_an_element(page, hostile):
    """Thesis, symbol, hypothesis and warnings are hostile: not one of them makes an element."""
    found = read(page)
    assert "<script>alert" not in page
    tags = [tag for tag, _ in found.seen]
    assert tags.count("script") == 3
    assert not set(tags) & {"img", "iframe", "b", "i", "object", "link", "a"}
    assert not any(name.startswith("on") for _, attrs in found.seen for name in attrs)
    assert "<b>BBB</b>" in " ".join(found.words)


def test_what_hovering_tells_holds_no_markup_but_ours(hostile):
    """Plotly reads markup in its texts, links included."""
    told = hover(Mark(ms=0, price=1.0, kind=MarkKind.BUY, title="<a href=x>", thesis=hostile))
    assert set(re.findall(r"<[^>]*>", told)) == {"<b>", "</b>", "<br>"}


def test_a_page_asks_nothing_of_the_network(page):
    """Every script stands in the page, and the policy allows these by digest and no address."""
    found = read(page)
    ours = page.replace(get_plotlyjs(), "")
    assert "http://" not in ours
    assert "https://" not in ours
    assert not any({"src", "href"} & attrs.keys() for _, attrs in found.seen)
    (policy,) = (a["content"] for _, a in found.seen if "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    data, *running = re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL)
    for script in running:
        named = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{named}'" in policy
    assert msgspec.json.decode(data)["equity"]["data"]


def test_the_script_of_the_plots_is_embedded_once(page):
    """Five megabytes are enough."""
    assert page.count(get_plotlyjs()[:200]) == 1
    assert len(page) < 7_000_000


def test_the_page_says_what_nobody_may_overlook(make_result, given):
    """A partial run, the sentence, the controls that failed, the warnings."""
    result = make_result(ended=Ended.BUDGET_SPENT, note="At decision 5,000.")
    words = " ".join(
        read(
            render(
                sheet_of(
                    ReportInput(
                        result=result,
                        evidence=given.evidence,
                        warnings=given.warnings,
                        commit="0123abc",
                    )
                )
            )
        ).words
    )
    for told in (
        "PARTIAL",
        "not distinguishable from buy and hold",
        "FAILED",
        "not judged",
        "GAP",
        "<b>.csv row 17, 2020-01-28: -3; and 2 more",
        "NOTIONAL_EXCEEDS_MAX",
        "0123abc",
        "d" * 64,
        "none",
    ):
        assert told in words


def test_the_same_input_gives_the_same_bytes(given, tmp_path):
    """A report can be compared by its digest."""
    for name in ("a", "b"):
        write_html(tmp_path / f"{name}.html", given)
        write_json(tmp_path / f"{name}.json", given)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert len(list(tmp_path.iterdir())) == 4


def test_the_json_is_the_sheet_that_the_page_shows(given, tmp_path):
    """Whatever the page says can be read back from the JSON, to the last figure."""
    path = tmp_path / "report.json"
    write_json(path, given)
    assert msgspec.json.decode(path.read_bytes(), type=Sheet) == sheet_of(given)


def test_a_report_that_cannot_be_written_says_so_in_a_line(given, tmp_path):
    """A folder that is not there is a person's to mend."""
    with pytest.raises(ConfigError, match="cannot be written") as refused:
        write_html(tmp_path / "nowhere" / "report.html", given)
    assert refused.value.code == "REPORT_NOT_WRITTEN"
    assert refused.value.remedy


def test_every_colour_of_a_figure_is_one_of_the_pages_style(given):
    """A name that the style lacks would draw black on black."""
    drawn = str(figures(sheet_of(given)))
    page = render(sheet_of(given))
    for name in set(re.findall(r"var\((--[\w-]+)\)", drawn)):
        assert page.count(f"{name}:") == 2, name
