"""Settings: what is wrong is named, with what it may hold; secrets never print."""

from pathlib import Path

import pytest

from api.settings import REAL_MONEY, Config, Settings, example, known_variables
from api.settings.forgiving import read_forgiving
from domain.errors import ConfigError
from domain.limits import DEFAULT_LIMITS, LIMITS_TABLE

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """No variable of ours and no `.env`."""
    monkeypatch.chdir(tmp_path)
    for name in known_variables():
        monkeypatch.delenv(name, raising=False)


def line_of(**given):
    with pytest.raises(ConfigError) as refused:
        Config.read(given)
    return refused.value.line


def test_the_example_file_is_what_the_settings_say():
    """A variable that is added, renamed or re-valued changes the example in the same commit."""
    assert (ROOT / ".env.example").read_text() == example()


def test_the_defaults_are_the_documented_ones():
    """The document's table: symbols, model queue, history, warm-up, order amount."""
    read = Config.read()
    assert read.settings.symbols == ("AAPL",)
    assert Config.read({"TRADING_MODE": "crypto"}).settings.symbols == ("BTC/USD",)
    assert (read.settings.llm_max_concurrent, read.settings.llm_queue_size) == (3, 100)
    assert (read.settings.market_history_limit, read.settings.warmup_min_count) == (50, 50)
    assert read.limits == DEFAULT_LIMITS
    assert str(read.limits.max_order_amount) == "100.0"


def test_every_limit_is_a_setting(monkeypatch):
    """The table is the one source: a limit cannot be there without its variable."""
    assert {spec.setting for spec in LIMITS_TABLE} <= known_variables()
    monkeypatch.setenv("MAX_ORDER_AMOUNT", "250")
    monkeypatch.setenv("ALLOW_SHORT", "yes")
    limits = Config.read().limits
    assert (str(limits.max_order_amount), limits.allow_short) == ("250", True)


def test_a_wrong_value_is_named_with_what_it_holds_and_may_hold(monkeypatch):
    """Each wrong variable is one line."""
    monkeypatch.setenv("PORT", "abc")
    monkeypatch.setenv("MAX_ORDER_AMOUNT", "-3")
    line = line_of(TRADING_MODE="forex")
    assert "PORT is 'abc'" in line
    assert "MAX_ORDER_AMOUNT is '-3'" in line
    assert "TRADING_MODE is 'forex': Input should be 'stocks', 'crypto' or 'both'" in line


def test_symbols_are_cleaned_and_must_fit_the_mode():
    """Spaces, case and repeats are forgiven; a pair among stocks is not."""
    both = Config.read({"TRADING_MODE": "both", "TRADING_SYMBOLS": " aapl, BTC/usd ,AAPL"})
    assert both.settings.symbols == ("AAPL", "BTC/USD")
    assert "TRADING_SYMBOLS holds BTC/USD" in line_of(TRADING_SYMBOLS="BTC/USD")
    assert "is no symbol" in line_of(TRADING_SYMBOLS="AA PL")


def test_settings_that_cannot_stand_together_are_named():
    """Deadline against age, bind address against token, analyst against key."""
    assert "DECISION_DEADLINE_S is 90" in line_of(DECISION_DEADLINE_S=90)
    assert "no API_TOKEN" in line_of(HOST="0.0.0.0")
    assert "ANALYST is llm" in line_of(ANALYST="llm")


def test_an_approval_limit_that_no_order_can_pass_is_refused():
    """Who sets `above` wants to be asked; above the largest order nobody ever would be."""
    line = line_of(APPROVAL="above", APPROVAL_ABOVE=100, MAX_ORDER_AMOUNT=100)
    assert "APPROVAL_ABOVE is 100: it must lie below MAX_ORDER_AMOUNT (100" in line
    assert "APPROVAL is 'sometimes'" in line_of(APPROVAL="sometimes")
    assert Config.read({"APPROVAL": "above"}).settings.approval_ttl_s == 300


def test_real_money_takes_the_exact_phrase():
    """yes, true and 1 are not the phrase."""
    assert "LIVE_TRADING is 'yes'" in line_of(LIVE_TRADING="yes")
    assert Config.read({"LIVE_TRADING": REAL_MONEY}).settings.is_live_allowed
    assert not Config.read().settings.is_live_allowed


def test_missing_keys_name_the_variables():
    """The first thing a new user meets."""
    with pytest.raises(ConfigError, match="APCA_API_KEY_ID and APCA_API_SECRET_KEY") as refused:
        Config.read().require_keys()
    assert "autohedge demo" in refused.value.line


def test_secrets_never_print(monkeypatch):
    """Neither in a repr, nor in the line about another wrong value."""
    monkeypatch.setenv("APCA_API_SECRET_KEY", "canary-secret")
    monkeypatch.setenv("OPENAI_API_KEY", "canary-openai")
    assert "canary" not in repr(Settings())
    assert "canary" not in line_of(PORT="abc")


def test_the_demo_reads_no_env_file(monkeypatch, tmp_path):
    """Keys of a real account beside the demo stay out of it; its own variables stand."""
    (tmp_path / ".env").write_text("APCA_API_KEY_ID=PKREAL\nCOOLDOWN_S=5\n")
    assert Config.read().settings.apca_api_key_id == "PKREAL"
    monkeypatch.setenv("BAR_INTERVAL_S", "10")
    demo = Config.for_demo({"PORT": 3100}, {"BAR_INTERVAL_S": 5, "COOLDOWN_S": 15})
    assert demo.settings.apca_api_key_id is None
    assert (demo.settings.bar_interval_s, demo.settings.cooldown_s) == (10, 15)


def test_credentials_inside_addresses_never_print(monkeypatch):
    """A database's password stands in its address, and so may an endpoint's."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://ann:canary@db/hedge")
    monkeypatch.setenv("LLM_BASE_URL", "https://ann:canary@host/v1")
    assert "canary" not in repr(Settings())
    line = line_of(LLM_BASE_URL="ftp://ann:canary@host/v1")
    assert line.startswith("LLM_BASE_URL is 'ftp://***@host/v1': it must begin with http://")


def test_stops_must_lie_in_order():
    """The stop that code sets must be one that the limits let through."""
    assert "STOP_DEFAULT_ATR is 2" in line_of(STOP_MIN_ATR=3)
    assert "STOP_DEFAULT_ATR is 9" in line_of(STOP_DEFAULT_ATR=9)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"MAX_ORDER_AMMOUNT=5\n", "MAX_ORDER_AMMOUNT in .env is no setting: MAX_ORDER_AMOUNT is."),
        (b"PORT=1\nTRADING_SYMBOL=AAPL", "TRADING_SYMBOL in .env is no setting"),
        (b"# well\nPORT=3000\nAPI_TOKEN 'canary\n", "Line 3 of .env cannot be read"),
        (b"LOG_LEVEL=\xff\xfe", ".env is not UTF-8 text"),
    ],
)
def test_an_env_file_that_says_nothing_to_us_is_refused(tmp_path, text, line):
    """A limit that was misspelt would silently stand at its default."""
    (tmp_path / ".env").write_bytes(text)
    said = line_of()
    assert line in said
    assert "canary" not in said


def test_an_env_file_may_hold_what_is_not_ours(tmp_path):
    """Other programs share the file; names may be in lower case."""
    text = "HOME_ASSISTANT_URL=http://x\nexport port=3456\n\nDATABASE_PASSWORD=x\n"
    (tmp_path / ".env").write_text(text)
    assert Config.read().settings.port == 3456


def test_what_can_be_read_is_read_where_other_values_are_wrong(monkeypatch, tmp_path):
    """The kill switch reads so: each wrong value is told and stands at its default."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "none")
    monkeypatch.setenv("LLM_MODEL", "m")
    monkeypatch.setenv("MAX_EXPOSURE_FRACTION", "-1")
    monkeypatch.setenv("DATABASE_URL", "sqlite:///own.sqlite3")
    config, faults = read_forgiving()
    assert set(faults) == {"PORT", "MAX_EXPOSURE_FRACTION"}
    assert "PORT is 'none'" in faults["PORT"]
    assert config.settings.port == Settings.model_fields["port"].default
    assert (config.settings.llm_model, config.settings.database_url) == (
        "m",
        "sqlite:///own.sqlite3",
    )


def test_an_env_file_that_is_no_text_is_told_and_left_out(monkeypatch, tmp_path):
    """Even then there is the environment to halt by."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes(b"LLM_MODEL=\xff\xfe")
    config, faults = read_forgiving()
    assert "UTF-8" in faults[".env"]
    assert config.settings.llm_model == Settings.model_fields["llm_model"].default
