"""Read prompts of one's own from a folder: a file a role, in place of the built-in text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from domain.decisions import Role
from domain.errors import ConfigError
from domain.market import Window
from graph.analysts.model.conversation import SYSTEM, USER, Told, digest_of

SUFFIX = ".md"
# The longest built-in prompt has 1,500 characters; beyond this it is some other file.
MAX_CHARACTERS = 20_000

_REMEDY = f"Name prompts {', '.join(f'{role}{SUFFIX}' for role in Role)}; leave out what stays."


def read_told(folder: Path) -> Told:
    """Read `director.md`, `quant.md`, `risk.md` and `execution.md`, those that are there.

    What a prompt file says goes to the model word for word, in place of everything but the data;
    the answer's form stays. Other files than Markdown are left alone. Raises `ConfigError`
    (`PROMPTS_INVALID`) for a folder that holds no prompt, a name that is no role's, and a file that
    is empty, too long or no text.
    """
    if not folder.is_dir():
        raise _refusal(f"{folder} is no folder of prompts.")
    files = sorted(folder.glob(f"*{SUFFIX}"))
    strange = [file.name for file in files if file.stem not in set(Role)]
    if strange:
        raise _refusal(f"{folder / strange[0]} is no role's prompt.")
    if not files:
        raise _refusal(f"{folder} holds no prompt.")
    return {Role(file.stem): _text(file) for file in files}


def told_in(window: Window, asked: Iterable[str]) -> Told:
    """Find the prompts of one's own in the texts that were asked about a window.

    The window names what each role was told by its digest, so a text is known for what it is: a
    built-in prompt of an earlier version is not taken for one's own.
    """
    found: dict[Role, str] = {}
    for text in asked:
        if not text.startswith(SYSTEM):
            continue
        told = text.removeprefix(SYSTEM).partition(USER)[0]
        found |= {role: told for role in Role if window.prompts.get(role) == digest_of(told, role)}
    return found


def _text(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _refusal(f"{file} cannot be read as text: {error}.") from error
    if not text:
        raise _refusal(f"{file} is empty.")
    if len(text) > MAX_CHARACTERS:
        raise _refusal(f"{file} has {len(text):,} characters, more than {MAX_CHARACTERS:,}.")
    return text


def _refusal(message: str) -> ConfigError:
    return ConfigError(message, remedy=_REMEDY, code="PROMPTS_INVALID")
