"""Every setting of the gateway: what it is called, what it defaults to, what it means.

A value comes from the command line, else from STRANGLER_<NAME>, else from strangler.yaml, else from here.
`docs/reference/settings.md` lists the same fields; a test keeps the two equal.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import YamlConfigSettingsSource as YamlSource

from gateway.settings.file import FILE
from gateway.settings.values import (
    Address,
    Certificates,
    HeaderLines,
    LongSecret,
    Names,
    Networks,
    NewSide,
    Origins,
    Webhook,
)


class Settings(BaseSettings):
    """The settings of one gateway process; complete and valid once built."""

    model_config = SettingsConfigDict(
        env_prefix="STRANGLER_", yaml_file=FILE, extra="forbid", frozen=True, env_ignore_empty=True
    )

    legacy: Origins = Field(description="Where the legacy backend is: one URL or several, or unix:/path.")
    new: NewSide | None = Field(
        default=None,
        description="The new side: as `legacy`, or module:factory of an ASGI app that runs in this process.",
    )
    legacy_ca: Certificates | None = Field(
        default=None, description="PEM file of certificates that legacy may show besides those the system trusts."
    )
    new_ca: Certificates | None = Field(
        default=None, description="PEM file of certificates that the new side may show besides those the system trusts."
    )
    contracts: Path | None = Field(
        default=None, description="Folder of the contracts; `contracts` when there is one, else no routes."
    )
    listen: Address = Field(default="127.0.0.1:8080", description="Data plane: where the frontend connects.")
    admin: Address = Field(default="127.0.0.1:9901", description="Admin plane: API for people and programs.")
    admin_hosts: Names = Field(
        default=(), description="Names the admin plane may be asked by, beside loopback and its own address."
    )
    database_url: str | None = Field(
        default=None,
        description="PostgreSQL for flags and evidence; an embedded one in the state folder if unset.",
    )
    workers: int = Field(
        default=1,
        ge=1,
        le=256,
        description="Processes that serve clients; from 2 on, one more looks after them and has the admin plane.",
    )
    state: Path = Field(
        default=Path(".strangler"),
        description="Folder of the embedded PostgreSQL and the last-known-good flags.",
    )
    legacy_host: Literal["auto", "preserve", "upstream"] = Field(
        default="auto",
        description="Host header legacy sees: the client's, or its own; auto is the client's for http, own for https.",
    )
    side_header: bool = Field(default=True, description="Whether answers carry x-strangler-side.")
    trusted_proxies: Networks = Field(
        default=(), description="Networks (CIDR) whose forwarded headers are believed; nobody's by default."
    )
    trusted_header: Literal["x-forwarded-for", "forwarded"] = Field(
        default="x-forwarded-for",
        description="Which of the two tells the client where a trusted proxy sends both: the one it writes itself.",
    )
    front: Literal["edge", "asgi"] = Field(
        default="edge",
        description="How clients are served: edge relays by callbacks what needs no ASGI app; asgi has one for all.",
    )
    max_clients: int = Field(default=20_000, ge=1, le=1_000_000, description="Client connections at most.")
    max_clients_per_address: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="Client connections of one address at most, trusted proxies aside; 0: as many as it likes.",
    )
    max_rate_per_client: float = Field(
        default=0.0,
        ge=0,
        le=1_000_000,
        description="Requests a second of one client at most, on average and for each process; 0: as many as it likes.",
    )
    max_burst_per_client: int = Field(
        default=100, ge=1, le=1_000_000, description="Requests that such a client may make at once."
    )
    head_bytes: int = Field(
        default=65_536, ge=1_024, le=1_048_576, description="Bytes of a request's head at most, else 431."
    )
    head_fields: int = Field(default=100, ge=10, le=10_000, description="Headers of a request at most, else 431.")
    target_bytes: int = Field(
        default=16_384, ge=256, le=1_048_576, description="Bytes of a request's target at most, else 414."
    )
    head_timeout_s: float = Field(
        default=10.0, gt=0, le=3_600, description="Seconds for a request's head, from its first byte to its last."
    )
    keep_alive_s: float = Field(default=75.0, gt=0, le=86_400, description="Seconds a client's connection may be idle.")
    send_timeout_s: float = Field(
        default=300.0, gt=0, le=86_400, description="Seconds in which a client must take something of its answer."
    )
    proxy_protocol: bool = Field(
        default=False, description="Whether trusted proxies begin each connection with a PROXY header (v1 or v2)."
    )
    connect_timeout_s: float = Field(default=5.0, gt=0, le=600, description="Seconds to connect to a side.")
    timeout_s: float = Field(
        default=60.0, gt=0, le=86_400, description="Seconds until the first byte of a side's answer."
    )
    idle_timeout_s: float = Field(
        default=300.0, gt=0, le=86_400, description="Seconds a side may pause within an answer's body."
    )
    upload_timeout_s: float = Field(
        default=60.0, gt=0, le=86_400, description="Seconds a client may pause within its request's body."
    )
    websocket_idle_s: float = Field(
        default=0.0,
        ge=0,
        le=86_400,
        description="Seconds of silence after which an open WebSocket is closed; 0 leaves it to the side.",
    )
    drain_s: float = Field(
        default=10.0,
        ge=0,
        le=3_600,
        description="Seconds that requests in flight have to finish at shutdown.",
    )
    max_connections: int = Field(default=1_000, ge=1, le=100_000, description="Connections to one side at most.")
    max_waiting: int = Field(
        default=1_000, ge=0, le=1_000_000, description="Requests that wait for a connection to one side at most."
    )
    max_wait_s: float = Field(default=3.0, gt=0, le=600, description="Seconds a request waits for a connection.")
    dns_ttl_s: float = Field(
        default=30.0, gt=0, le=86_400, description="Seconds after which the name of a side is looked up again."
    )
    breaker_misses: int = Field(
        default=5,
        ge=0,
        le=1_000_000,
        description="Failures in a row after which an address of a side is left alone for a while; 0: it never is.",
    )
    breaker_open_s: float = Field(
        default=1.0, gt=0, le=3_600, description="Seconds for which a failing address is left alone at first."
    )
    breaker_longest_s: float = Field(
        default=30.0, gt=0, le=3_600, description="Seconds for which a failing address is left alone at most."
    )
    shadow_queue: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="Copies waiting for comparison at most; more are dropped.",
    )
    shadow_bytes: int = Field(
        default=33_554_432, ge=1_048_576, description="Bytes that copies waiting or under way hold at most."
    )
    shadow_concurrency: int = Field(default=8, ge=1, le=1_000, description="Copies under way at once.")
    shadow_rechecks: int = Field(
        default=100,
        ge=0,
        le=100_000,
        description="Times a second that legacy is asked again about one route, to tell noise from mismatches.",
    )
    shadow_timeout_s: float = Field(default=10.0, gt=0, le=600, description="Seconds a copy may take in all.")
    shadow_write_s: float = Field(
        default=0.25,
        gt=0,
        le=10,
        description="Seconds a write's rehearsal on the new side may take in all; the client's write waits for it.",
    )
    capture_bytes: int = Field(
        default=1_048_576, ge=0, le=67_108_864, description="Bytes of a body kept for comparison at most."
    )
    shadow_headers_legacy: HeaderLines = Field(
        default=(), description="Headers of copies for legacy in place of the client's: `Name: value`, or `Name:`."
    )
    shadow_headers_new: HeaderLines = Field(
        default=(), description="The same for copies for the new side; `${VARIABLE}` stands for its value."
    )
    new_version: str | None = Field(
        default=None,
        max_length=200,
        description="What tells one new side from the next to the evidence; if unset, the code of one that runs here.",
    )
    redaction_key: LongSecret | None = Field(
        default=None,
        description="Key of what is hidden in evidence, 32 bytes or more; the database keeps one if unset.",
    )
    evidence_days: int = Field(default=30, ge=1, le=3_650, description="Days that evidence is kept.")
    evidence_route_bytes: int = Field(
        default=16_777_216, ge=65_536, description="Bytes of evidence that a route may have; the oldest goes first."
    )
    evidence_bytes: int = Field(
        default=268_435_456, ge=1_048_576, description="Bytes of evidence in all; the oldest goes first."
    )
    auto_rollback: bool = Field(
        default=True, description="Whether a route that goes wrong in canary or new is taken back by itself."
    )
    rollback_webhook: Webhook | None = Field(
        default=None, description="URL that is told of each rollback that nobody asked for, by a POST of JSON."
    )
    rollback_webhook_key: LongSecret | None = Field(
        default=None, description="Key that signs what the webhook is sent, 32 bytes or more."
    )
    access_log: float = Field(
        default=0.0, ge=0, le=1, description="Share of requests, from 0 to 1, that make a line in the access log."
    )
    access_log_file: Path | None = Field(
        default=None, description="Where the access log goes; standard output if unset. SIGHUP opens it anew."
    )
    override_secret: LongSecret | None = Field(
        default=None,
        description="What signs testers' override tokens, 32 bytes or more; every token is ignored if unset.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: option, variable, file."""
        return init_settings, env_settings, YamlSource(settings_cls)

    @property
    def contracts_folder(self) -> Path | None:
        """The folder that is read: the named one, or `contracts` where it exists."""
        if self.contracts is not None:
            return self.contracts
        return Path("contracts") if Path("contracts").is_dir() else None
