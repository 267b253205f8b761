"""Say where settings are read from: the environment, then `.env`."""

from __future__ import annotations

from pydantic_settings import BaseSettings, SettingsConfigDict


class FromEnvironment(BaseSettings):
    """Read fields from variables of the same names; what is empty counts as not set."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True
    )
