"""Map settings onto the frozen records of the packages below: the one place that knows both."""

from __future__ import annotations

from pathlib import Path

from api.assembly.live import check_venue
from api.assembly.plan import AnalystPlan, Plan, WatchersPlan
from api.settings import Config
from api.settings.fields import ANALYSTS
from broker.alpaca import AlpacaBrokerConfig
from domain.errors import ConfigError
from domain.market import AssetClass, Floors, asset_class_of
from engine.building import ApprovalPlan, EnginePlan
from engine.deciding.budget import BudgetConfig
from engine.orders.protection.rules import ExitRules, Overnight, rules_by_symbol
from engine.orders.protection.seams import ExitsConfig
from feeds.alpaca.config import STREAM_URL, AlpacaFeedConfig, Channel
from feeds.historical import HistoryConfig
from graph.analysts.model.conversation import BUILT_IN
from graph.analysts.model.costs import Price
from graph.analysts.model.endpoint import EndpointConfig, Method
from graph.analysts.model.told import read_told
from graph.analysts.own import NAMED
from graph.approval.checkpoints import CheckpointsConfig
from journal.database import JournalConfig, address_of

STRATEGY = "argued-v1"
"""Names decisions: raise it when what is decided changes its meaning."""


def plan_of(config: Config, *, mode: str, is_always_open: bool = False) -> Plan:
    """Return what to build; raises `ConfigError` for missing keys or an unnamed analyst."""
    config.require_keys()
    broker = _broker(config, is_live=mode == "live")
    check_venue(mode, broker)
    return Plan(
        engine=_engine(config, mode),
        analyst=_analyst(config, mode),
        broker=broker,
        feeds=_feeds(config),
        journal=JournalConfig(
            url=config.settings.database_url,
            retention_days=config.settings.retention_days,
            retention_contents_days=config.settings.retention_contents_days,
        ),
        is_always_open=is_always_open,
        deadman_s=config.settings.deadman_s,
        watchers=watchers_of(config),
    )


def history_of(config: Config) -> HistoryConfig:
    """Return where years of history are asked for; raises `ConfigError` for missing keys.

    Who fetches them asks page by page, has patience of its own and counts each request.
    """
    config.require_keys()
    key, secret = _keys(config)
    s = config.settings
    return HistoryConfig(
        key=key, secret=secret, url=s.apca_data_url, feed=s.stock_feed, workers=1, page_tries=1
    )


def watchers_of(config: Config) -> WatchersPlan:
    """Return who looks on."""
    s = config.settings
    urls = "" if s.alert_urls is None else s.alert_urls.get_secret_value()
    return WatchersPlan(
        alert_urls=tuple(urls.split()),
        alert_every_s=s.alert_every_s,
        traces_url=s.otel_exporter_otlp_endpoint,
    )


def _engine(config: Config, mode: str) -> EnginePlan:
    s = config.settings
    return EnginePlan(
        symbols=s.symbols,
        mode=mode,
        strategy=STRATEGY,
        feed=s.stock_feed,
        interval_s=s.bar_interval_s,
        history_limit=s.market_history_limit,
        warmup_min=s.warmup_min_count,
        limits=config.limits,
        floors=Floors(confidence=s.confidence_floor, score=s.score_floor),
        slots=s.llm_max_concurrent,
        queue_size=s.llm_queue_size,
        cooldown_s=s.cooldown_s,
        wake_move_atr=s.wake_move_atr,
        decision_deadline_s=s.decision_deadline_s,
        adopt_positions=s.adopt_positions == "yes",
        approval=_approval(config),
        autostart=s.autostart == "yes",
        exits=_exits(config),
    )


def _approval(config: Config) -> ApprovalPlan | None:
    """Return which entries wait, with their store beside the journal's; none for `never`."""
    s = config.settings
    if s.approval == "never":
        return None
    journal = address_of(s.database_url)
    is_file = journal.path is not None
    return ApprovalPlan(
        above=s.approval_above if s.approval == "above" else None,
        ttl_s=s.approval_ttl_s,
        checkpoints=CheckpointsConfig(
            path=journal.beside(".waiting") if is_file else None,
            server_url=None if is_file else s.database_url,
        ),
    )


def _exits(config: Config) -> ExitsConfig:
    s = config.settings
    rules = ExitRules(
        stop_loss=s.stop_loss,
        take_profit=s.take_profit,
        trailing_stop=s.trailing_stop,
        max_holding_s=s.max_holding,
        overnight=Overnight(s.overnight),
    )
    return ExitsConfig(
        exit_collar=s.exit_collar,
        quote_max_age_s=config.limits.quote_max_age_s,
        flat_before_close_s=s.flat_before_close_s,
        rules=rules,
        by_symbol=rules_by_symbol(rules, s.exits_by_symbol or {}),
    )


def _analyst(config: Config, mode: str) -> AnalystPlan:
    """Choose who answers, once, and say why."""
    if mode == "live" and config.settings.analyst == "auto":
        raise ConfigError(
            "ANALYST is auto: with real money it must be named.",
            remedy="Set ANALYST to llm, rules or local.",
        )
    return analyst_of(config, config.settings.analyst)


def analyst_of(config: Config, wanted: str) -> AnalystPlan:
    """Return the plan of one analyst: `auto` takes `llm` with a key and `rules` without."""
    s = config.settings
    if wanted not in ANALYSTS and NAMED.fullmatch(wanted) is None:
        raise ConfigError(
            f"There is no analyst {wanted!r}.", remedy="Use llm, rules, local or module:Class."
        )
    budget = BudgetConfig(
        requests_per_minute=s.llm_requests_per_minute,
        tokens_per_minute=s.llm_tokens_per_minute,
        usd_per_day=s.llm_max_usd_per_day,
    )
    kind, why = wanted, f"ANALYST={wanted}"
    if wanted == "auto":
        kind = "llm" if s.has_model_key else "rules"
        why = "a model key is set" if s.has_model_key else "no model key is set"
    endpoint = _endpoint(config) if kind == "llm" else None
    told = read_told(s.prompts_dir) if kind == "llm" and s.prompts_dir is not None else BUILT_IN
    return AnalystPlan(
        kind=kind, why=why, endpoint=endpoint, cache=Path(".cache"), budget=budget, told=told
    )


def _endpoint(config: Config) -> EndpointConfig:
    s = config.settings
    price = None
    if s.llm_usd_per_m_in is not None and s.llm_usd_per_m_out is not None:
        price = Price(usd_per_m_in=s.llm_usd_per_m_in, usd_per_m_out=s.llm_usd_per_m_out)
    key = s.openai_api_key
    return EndpointConfig(
        model=s.llm_model,
        api_key="none" if key is None else key.get_secret_value(),
        base_url=s.llm_base_url,
        method=Method(s.llm_method),
        temperature=s.llm_temperature,
        max_tokens=s.llm_max_tokens,
        timeout_s=s.llm_timeout_s,
        price=price,
    )


def _broker(config: Config, *, is_live: bool) -> AlpacaBrokerConfig:
    s, (key, secret) = config.settings, _keys(config)
    base, stream = s.apca_api_base_url, s.apca_stream_url
    is_local = base is not None and stream is not None
    return AlpacaBrokerConfig(
        key=key,
        secret=secret,
        paper=not is_live,
        rest_url=base,
        stream_url=f"{stream}/stream" if is_local else None,
        requests_per_minute=s.apca_requests_per_minute,
    )


def _feeds(config: Config) -> tuple[AlpacaFeedConfig, ...]:
    """Return one stream for each class of symbols, and the news."""
    s, (key, secret) = config.settings, _keys(config)
    channels: dict[Channel, tuple[str, ...]] = {
        Channel.STOCKS: _of_class(s.symbols, AssetClass.STOCK),
        Channel.CRYPTO: _of_class(s.symbols, AssetClass.CRYPTO),
        Channel.NEWS: s.symbols,
    }
    return tuple(
        AlpacaFeedConfig(
            channel=channel,
            symbols=symbols,
            key=key,
            secret=secret,
            stream_url=s.apca_stream_url or STREAM_URL,
            data_url=s.apca_data_url,
            feed=s.stock_feed,
            interval_s=s.bar_interval_s,
            history_bars=max(250, s.market_history_limit),
            mute_s=s.feed_mute_s,
        )
        for channel, symbols in channels.items()
        if symbols
    )


def _of_class(symbols: tuple[str, ...], asset_class: AssetClass) -> tuple[str, ...]:
    return tuple(symbol for symbol in symbols if asset_class_of(symbol) is asset_class)


def _keys(config: Config) -> tuple[str, str]:
    s = config.settings
    assert s.apca_api_key_id is not None
    assert s.apca_api_secret_key is not None
    return s.apca_api_key_id, s.apca_api_secret_key.get_secret_value()
