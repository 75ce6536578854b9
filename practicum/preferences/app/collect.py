"""`practicum collect`: serve the ranking app for a set of prompts, with given responses or a model's own."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from practicum.errors import InputError
from practicum.preferences.app.desk import Desk
from practicum.preferences.app.middleware import host_name
from practicum.preferences.app.prompts import PromptLine, answered, read_prompts, repeated
from practicum.preferences.app.security import load_keys
from practicum.preferences.app.site import Site
from practicum.preferences.queries import digest, listed
from practicum.preferences.records import MOST_RESPONSES, Project
from practicum.preferences.store import Store
from practicum.ranges import Common, Count, NonNegativeFloat, Price, Range, Ranged, Seed

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

DEFAULT_OVERLAP = 2
DEFAULT_PRICE = 0.10
DEFAULT_LEASE = 15 * 60.0
MOST_DAYS = 366
OWN_PATHS = ("api", "join", "owner", "rate", "static")
PASSWORD_VARIABLE = "PRACTICUM_OWNER_PASSWORD"


@dataclass(frozen=True)
class CollectConfig(Ranged):
    """Serve the ranking app: people rank responses in a browser, the owner watches and exports.

    The owner's password comes from the environment variable PRACTICUM_OWNER_PASSWORD; without it one is made
    at the first start and printed once.

        practicum collect --database study.sqlite --project jokes --prompts p.jsonl
    """

    database: str
    """Path of the SQLite file, or a postgresql:// URL; made when missing."""
    project: str
    """The project's name; made when missing and there are --prompts."""
    prompts: Common[Path | None] = None
    """JSONL, a prompt a line: {"prompt": "...", "responses": ["...", ...]}, or without responses for a model
    to write. Optional: prompt_id, data, overlap, priority. A JSON array, CSV, TSV or Parquet of such rows
    will do. None serves what the project has."""
    model: Common[Path | None] = None
    """A model folder, or a run's folder, that answers prompts without responses."""
    responses: Common[Annotated[int, Range(at_least=2, at_most=MOST_RESPONSES)]] = 5
    """Responses the model writes to each prompt; equal ones are kept once."""
    temperature: NonNegativeFloat = 1.0
    """Of the model's responses; lower ones are safer and more alike."""
    max_new_tokens: Count = 128
    """The model's responses are cut here."""
    overlap: Common[Count | None] = None
    """Raters per prompt; none keeps the project's, 2 for a new one, the least that shows agreement."""
    price: Common[Price | None] = None
    """Dollars per rating, one response placed; none keeps the project's, 0.10 for a new one."""
    instructions: Common[str] = ""
    """What raters are told to look for; empty keeps the project's."""
    lease_minutes: Annotated[float, Range(above=0, at_most=525_600)] | None = None
    """How long a rater may sit on a prompt before another can have it; none keeps the project's, 15 for a new
    one."""
    raters: Common[tuple[str, ...]] = ()
    """Names, apart by spaces, to print personal links for at the start; the owner's page makes more."""
    link_days: Annotated[float, Range(above=0, at_most=MOST_DAYS)] = 14.0
    """How long those links last."""
    host: Common[str] = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for the whole network."""
    port: Common[Annotated[int, Range(at_least=0, at_most=65_535)]] = 8000
    """Port to listen on; 0 takes a free one."""
    public_url: Common[str] = ""
    """How raters reach the app, as https://rank.example.org or https://example.org/rank; empty means
    http://HOST:PORT."""
    trusted_proxy: tuple[str, ...] = ()
    """Addresses or networks of servers in front whose X-Forwarded-For is believed; nobody else's is."""
    requests_per_minute: Count = 240
    """Requests one rater may make a minute."""
    keys: Path | None = None
    """File of the signing key and the password's hash; none puts it beside an SQLite database."""
    device: str = "auto"
    """Where the model is: auto, cpu, cuda, cuda:N or mps. auto is the first CUDA device, else Apple's mps,
    else the CPU."""
    seed: Seed = 0
    """Fixes the model's responses."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.host in ("0.0.0.0", "::") and not self.public_url:
            raise InputError(
                f"host {self.host} needs --public_url, the address that raters' links begin with"
            )
        if self.public_url:
            _check_url(self.public_url)
        for name in self.raters:
            if "," in name:
                apart = " ".join(part.strip() for part in name.split(",") if part.strip())
                raise InputError(f"raters: {name!r}: names stand apart by spaces: --raters {apart}")
        for proxy in self.trusted_proxy:
            try:
                ipaddress.ip_network(proxy)
            except ValueError as error:
                raise InputError(
                    f"trusted_proxy: expected an address or network, as 10.0.0.7 or 10.0.0.0/8, got {proxy!r}"
                ) from error


def _check_url(url: str) -> None:
    """Raise InputError for what raters' links cannot begin with."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and host_name(parts.netloc) and (parts.port or 1)
        known = known and not set(parts.netloc) & set("@*")
    except ValueError:
        known = False
    if not known:
        raise InputError(f"public_url: expected http://... or https://..., got {url!r}")
    if parts.query or parts.fragment or not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*/?", parts.path):
        raise InputError(
            f"public_url: expected a plain path or none, as https://example.org/rank, got {url!r}"
        )
    first = parts.path.strip("/").partition("/")[0]
    if first in OWN_PATHS:
        raise InputError(
            f"public_url: the path /{first} is one of the app's own ({', '.join(OWN_PATHS)}): choose another"
        )


def collect(config: CollectConfig) -> dict[str, Any]:
    """Serve until interrupted; the JSON of `practicum collect`: how far the project is then.

    Raises InputError for bad prompts, a project made with other rules, and an address that cannot be used.
    """
    import uvicorn

    config = replace(config, port=config.port or _free_port(config.host))
    with Store.open(config.database) as store:
        site = make_site(config, store)
        for name in config.raters:
            print(f"practicum: {_link_line(site, name, config.link_days)}", file=sys.stderr)
        print(f"practicum: raters use their links; owner's page {site.public_url}/owner", file=sys.stderr)
        server = uvicorn.Server(server_config(site, config.host, config.port, config.trusted_proxy))
        try:
            server.run()
        except KeyboardInterrupt:
            pass
        except SystemExit as error:
            raise InputError(
                f"cannot listen on {config.host}:{config.port}: choose another --port"
            ) from error
        progress = store.progress(config.project)
    return {
        "project": config.project,
        "done": progress.done,
        "wanted": progress.wanted,
        "dollars_spent": progress.dollars_spent,
        "dollars_to_come": progress.dollars_to_come,
    }


def _free_port(host: str) -> int:
    """A port that nobody listens on: links begin with its number, so it is chosen before the start."""
    try:
        with socket.create_server(
            (host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        ) as taken:
            port: int = taken.getsockname()[1]
            return port
    except OSError as error:
        raise InputError(f"cannot listen on {host}: {error.strerror}: choose another --host") from error


def _link_line(site: Site, name: str, days: float) -> str:
    """A rater's link in words: the one that was sent before while it is good, since a new one cancels it."""
    standing = site.desk.store.link_of(site.desk.project.name, name)
    if standing is None:
        return f"link of {name}: {site.link(name, days)}"
    until = time.strftime("%Y-%m-%d", time.gmtime(standing.expires))
    return f"link of {name}: {site.standing_link(name)} (the one of before, good until {until})"


def server_config(site: Site, host: str, port: int, trusted_proxy: tuple[str, ...] = ()) -> uvicorn.Config:
    """How the app of a site is served. Only what `trusted_proxy` names is believed about where others are."""
    import uvicorn

    from practicum.preferences.app.patience import connection

    makes_connections: Any = connection
    return uvicorn.Config(
        app_of(site),
        http=makes_connections,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxy),
        forwarded_allow_ips=list(trusted_proxy),
        timeout_graceful_shutdown=10,
    )


def app_of(site: Site) -> FastAPI:
    """The app of a site."""
    from practicum.preferences.app.server import create_app

    return create_app(site)


def make_site(config: CollectConfig, store: Store) -> Site:
    """The project with its prompts, and the app's keys; says on stderr what the owner must know."""
    project = _project(config, store)
    keys, invented = load_keys(_keys_path(config), os.environ.get(PASSWORD_VARIABLE))
    if invented is not None:
        print(f"practicum: owner's password, shown this once: {invented}", file=sys.stderr)
    host = f"[{config.host}]" if ":" in config.host else config.host
    public_url = config.public_url.rstrip("/") or f"http://{host}:{config.port}"
    if config.host not in ("127.0.0.1", "localhost", "::1") and not public_url.startswith("https:"):
        print(
            "practicum: others on the network can read what passes: put a server with HTTPS in front and "
            "give its address as --public_url",
            file=sys.stderr,
        )
    return Site(Desk(store, project), keys, public_url, config.requests_per_minute)


def _project(config: CollectConfig, store: Store) -> Project:
    """The project, made if need be, with the prompts of the file; says what is new."""
    projects = {project.name: project for project in store.projects()}
    before = projects.get(config.project)
    if before is not None and config.price is not None and before.price != config.price:
        raise InputError(
            f"project {config.project!r} pays ${before.price:g} per rating, not ${config.price:g}: "
            f"give --price {before.price:g}, or another --project"
        )
    if before is not None:
        store.check_writable(config.project)
    present = [] if before is None else store.prompts(config.project)
    if config.prompts is None and not present:
        have = "has no prompts to rank" if before else "does not exist"
        raise InputError(f"project {config.project!r} {have}; {listed(list(projects))}. Give --prompts FILE")
    items = [] if config.prompts is None else read_prompts(config.prompts)
    ready = _with_responses(config, {item.id for item in present}, items)
    prompts, origins = [one.prompt for one in ready], [one.origin for one in ready]
    if before is None:
        if projects:
            print(f"practicum: project {config.project!r} is new; {listed(list(projects))}", file=sys.stderr)
        made = store.create_project(
            config.project,
            instructions=config.instructions,
            overlap=DEFAULT_OVERLAP if config.overlap is None else config.overlap,
            price=DEFAULT_PRICE if config.price is None else config.price,
            lease_seconds=DEFAULT_LEASE if config.lease_minutes is None else 60 * config.lease_minutes,
            prompts=prompts,
            origins=origins,
        )
    else:
        store.add_prompts(config.project, prompts, origins)
        made = _changed(config, store, before)
    if items:
        print(f"practicum: {config.prompts}: {len(items)} prompts are to be ranked", file=sys.stderr)
    for line in repeated(items):
        print(f"practicum: {line}", file=sys.stderr)
    return made


def _changed(config: CollectConfig, store: Store, project: Project) -> Project:
    """The project with the settings given this time; says what changed. Pay cannot."""
    if config.overlap is not None:
        store.set_overlap(project.name, config.overlap)
    if config.instructions:
        store.set_instructions(project.name, config.instructions)
    if config.lease_minutes is not None:
        store.set_lease(project.name, 60 * config.lease_minutes)
    now = store.project(project.name)
    for field in ("overlap", "lease_seconds", "instructions"):
        before, after = getattr(project, field), getattr(now, field)
        if before != after:
            print(
                f"practicum: {field} of project {project.name!r}: {after!r}, was {before!r}", file=sys.stderr
            )
    return now


def _keys_path(config: CollectConfig) -> Path:
    if config.keys is not None:
        return config.keys
    if "://" in config.database and not config.database.startswith("sqlite"):
        raise InputError("keys: give a file for the app's keys: --keys PATH (the database is not a file)")
    database = config.database.split(":///", 1)[-1]
    return Path(f"{database}.keys.json")


def _with_responses(config: CollectConfig, known: set[str], items: list[PromptLine]) -> list[PromptLine]:
    """The prompts to add: those with responses, and those a model answers that are not `known` yet."""
    ready = [item for item in items if item.prompt.responses]
    bare = [item for item in items if not item.prompt.responses]
    fresh = [item for item in bare if (item.prompt.id or digest(item.prompt.prompt.text)) not in known]
    if not fresh:
        return ready
    if config.model is None:
        raise InputError(f"{fresh[0].origin}: no responses: give them, or a --model that writes them")
    made, cut = answered(
        [item.prompt for item in fresh],
        config.model,
        config.responses,
        config.temperature,
        config.max_new_tokens,
        config.seed,
        config.device,
    )
    if cut:
        print(
            f"practicum: {cut} of {sum(len(item.responses) for item in made)} responses end where "
            f"--max_new_tokens {config.max_new_tokens} cut them off: raise it to let them end",
            file=sys.stderr,
        )
    return ready + [replace(item, prompt=prompt) for item, prompt in zip(fresh, made, strict=True)]
