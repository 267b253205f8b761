"""Tell what a backtest found: one page that opens offline, the same as JSON, and a short word."""

from backtest.report.page import write_html, write_json
from backtest.report.records import ReportInput
from backtest.report.sheet import sheet_of
from backtest.report.terminal import summary

__all__ = ["ReportInput", "sheet_of", "summary", "write_html", "write_json"]
