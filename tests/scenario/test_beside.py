"""What a person sees beside a running bot, and when it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from api.settings import known_variables

CHILD = Path(__file__).with_name("child.py")
ROOT = Path(__file__).parents[2]
PAIR = "BTC/USD"


async def start(*arguments, cwd, **settings):
    """Start a process of ours with nothing but these settings."""
    kept = {k: v for k, v in os.environ.items() if k not in known_variables()}
    given = {name: str(value) for name, value in settings.items()}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**kept, **given, "PYTHONPATH": str(ROOT)},
        cwd=cwd,
    )


async def test_the_doctor_says_that_a_bot_has_the_stream(open_house, tmp_path):
    """It waited for an answer until its deadline, and named no remedy for the venue's 406."""
    async with open_house() as house, house.bot(TRADING_SYMBOLS=PAIR):
        settings = house.settings(TRADING_SYMBOLS=PAIR)
        doctor = await start("-m", "api.cli", "doctor", "--json", cwd=tmp_path, **settings)
        async with asyncio.timeout(60):
            out, err = await doctor.communicate()
        findings = {each["check"]: each for each in json.loads(out)}
        feeds = [each for name, each in findings.items() if name.startswith("feed ")]
        assert doctor.returncode == 1, err
        assert all("one connection" in each["found"] for each in feeds), feeds
        assert all("your bot" in each["remedy"] for each in feeds)
        assert findings["database"]["is_well"], findings["database"]
        assert "chain sound" in findings["database"]["found"]


async def test_sigterm_says_what_protects_each_position(open_house, until, tmp_path):
    """Nobody watches from here on: the person reads where the stop rests."""
    async with open_house() as house:
        settings = house.settings(TRADING_SYMBOLS=PAIR, DEADMAN_S=0)
        bot = await start(str(CHILD), json.dumps(settings, default=str), cwd=tmp_path)
        async with asyncio.timeout(60):
            assert await bot.stdout.readline() == b"ready\n"
        house.model.wants[PAIR] = "buy"
        stop = await until(lambda: house.resting_stop(PAIR), what="it is protected")
        house.model.wants[PAIR] = "hold"
        bot.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            _, said = await bot.communicate()
        lines = [line for line in said.decode().splitlines() if line.startswith("Stopped.")]
        assert len(lines) == 1, said
        assert f"{PAIR}: {house.held(PAIR)}, protected by venue" in lines[0].replace("E-", "e-")
        assert "stop at" in lines[0]
        assert house.resting_stop(PAIR)["id"] == stop["id"]
