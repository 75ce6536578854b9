"""`practicum collect`: serve the ranking app for a set of prompts, with given responses or a model's own."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from practicum.errors import InputError
from practicum.preferences.app.desk import Desk
from practicum.preferences.app.prompts import answered, read_prompts
from practicum.preferences.app.security import load_keys
from practicum.preferences.app.site import Site
from practicum.preferences.queries import digest
from practicum.preferences.records import NewPrompt, Project
from practicum.preferences.store import Store
from practicum.ranges import Count, NonNegativeFloat, Price, Range, Ranged, Seed

if TYPE_CHECKING:
    from fastapi import FastAPI

DEFAULT_OVERLAP = 2
DEFAULT_PRICE = 0.10
PASSWORD_VARIABLE = "PRACTICUM_OWNER_PASSWORD"


@dataclass(frozen=True)
class CollectConfig(Ranged):
    """Serve the ranking app: people rank responses in a browser, the owner watches and exports.

    The owner's password comes from the environment variable PRACTICUM_OWNER_PASSWORD; without it one is made
    at the first start and printed once.
    """

    database: str
    """Path of the SQLite file, or a postgresql:// URL; made when missing."""
    project: str
    """The project's name; made when missing."""
    prompts: Path | None = None
    """JSONL, a prompt a line: {"prompt": "...", "responses": ["...", ...]}, or without responses for a model
    to write. Optional: prompt_id, data, overlap, priority. None serves what the project has."""
    model: Path | None = None
    """A model folder, or a run's folder, that answers prompts without responses."""
    responses: Annotated[int, Range(at_least=2, at_most=1000)] = 5
    """Responses the model writes to each prompt; equal ones are kept once."""
    temperature: NonNegativeFloat = 1.0
    """Of the model's responses; lower ones are safer and more alike."""
    max_new_tokens: Count = 128
    """The model's responses are cut here."""
    overlap: Count | None = None
    """Raters per prompt; none keeps the project's, 2 for a new one, the least that shows agreement."""
    price: Price | None = None
    """Dollars per rating, one response placed; none keeps the project's, 0.10 for a new one."""
    instructions: str = ""
    """What raters are told to look for; fixed once the project is made."""
    lease_minutes: Annotated[float, Range(above=0, at_most=525_600)] = 15.0
    """How long a rater may sit on a prompt before another can have it; fixed once the project is made."""
    raters: tuple[str, ...] = ()
    """Names to print personal links for at the start; the owner's page makes more."""
    link_days: Annotated[float, Range(above=0, at_most=36_500)] = 14.0
    """How long those links last."""
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for the whole network."""
    port: Annotated[int, Range(at_least=0, at_most=65_535)] = 8000
    """Port to listen on."""
    public_url: str = ""
    """How raters reach the app, as https://rank.example.org; empty means http://HOST:PORT."""
    requests_per_minute: Count = 240
    """Requests one rater may make a minute."""
    keys: Path | None = None
    """File of the signing key and the password's hash; none puts it beside an SQLite database."""
    seed: Seed = 0
    """Fixes the model's responses."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.host in ("0.0.0.0", "::") and not self.public_url:
            raise InputError(
                f"host {self.host} needs --public_url, the address that raters' links begin with"
            )
        if self.public_url and urlsplit(self.public_url).scheme not in ("http", "https"):
            raise InputError(f"public_url: expected http://... or https://..., got {self.public_url!r}")


def collect(config: CollectConfig) -> dict[str, Any]:
    """Serve until interrupted; the JSON of `practicum collect`: how far the project is then.

    Raises InputError for bad prompts, a project made with other rules, and an address that cannot be used.
    """
    import uvicorn

    with Store.open(config.database) as store:
        site = make_site(config, store)
        for name in config.raters:
            store.add_rater(config.project, name)
            print(f"practicum: link of {name}: {site.link(name, config.link_days)}", file=sys.stderr)
        print(f"practicum: raters use their links; owner's page {site.public_url}/owner", file=sys.stderr)
        server = uvicorn.Server(
            uvicorn.Config(
                app_of(site),
                host=config.host,
                port=config.port,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=10,
            )
        )
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


def app_of(site: Site) -> FastAPI:
    """The app of a site."""
    from practicum.preferences.app.server import create_app

    return create_app(site)


def make_site(config: CollectConfig, store: Store) -> Site:
    """The project with its prompts, and the app's keys; says on stderr what the owner must know."""
    project = _project(config, store)
    if config.prompts is not None:
        prompts = read_prompts(config.prompts)
        store.add_prompts(config.project, _with_responses(config, store, prompts))
        print(f"practicum: {config.prompts}: {len(prompts)} prompts are to be ranked", file=sys.stderr)
    keys, invented = load_keys(_keys_path(config), os.environ.get(PASSWORD_VARIABLE))
    if invented is not None:
        print(f"practicum: owner's password, shown this once: {invented}", file=sys.stderr)
    public_url = config.public_url.rstrip("/") or f"http://{config.host}:{config.port}"
    if config.host not in ("127.0.0.1", "localhost", "::1") and not public_url.startswith("https:"):
        print(
            "practicum: others on the network can read what passes: put a server with HTTPS in front and "
            "give its address as --public_url",
            file=sys.stderr,
        )
    return Site(Desk(store, project), keys, public_url, config.requests_per_minute)


def _project(config: CollectConfig, store: Store) -> Project:
    found = [project for project in store.projects() if project.name == config.project]
    if not found:
        return store.create_project(
            config.project,
            instructions=config.instructions,
            overlap=DEFAULT_OVERLAP if config.overlap is None else config.overlap,
            price=DEFAULT_PRICE if config.price is None else config.price,
            lease_seconds=60 * config.lease_minutes,
        )
    (project,) = found
    if config.price is not None and project.price != config.price:
        raise InputError(
            f"project {config.project!r} pays ${project.price:g} per rating, not ${config.price:g}: "
            f"give --price {project.price:g}, or another --project"
        )
    if config.overlap is None:
        return project
    store.set_overlap(config.project, config.overlap)
    return replace(project, overlap=config.overlap)


def _keys_path(config: CollectConfig) -> Path:
    if config.keys is not None:
        return config.keys
    if "://" in config.database and not config.database.startswith("sqlite"):
        raise InputError("keys: give a file for the app's keys: --keys PATH (the database is not a file)")
    database = config.database.split(":///", 1)[-1]
    return Path(f"{database}.keys.json")


def _with_responses(config: CollectConfig, store: Store, prompts: list[NewPrompt]) -> list[NewPrompt]:
    """The prompts to add: those with responses, and those a model answers and the project has not yet."""
    known = {item.id for item in store.prompts(config.project)}
    ready = [item for item in prompts if item.responses]
    fresh = [
        item for item in prompts if not item.responses and (item.id or digest(item.prompt.text)) not in known
    ]
    if not fresh:
        return ready
    if config.model is None:
        raise InputError(
            f"{config.prompts}: prompt {fresh[0].prompt.text!r:.60} has no responses: "
            "give them, or a --model that writes them"
        )
    made = answered(
        fresh, config.model, config.responses, config.temperature, config.max_new_tokens, config.seed
    )
    return ready + list(made)
