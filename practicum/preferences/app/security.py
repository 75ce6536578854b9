"""What keeps the app safe: keys, signed links and sessions, tokens against forged forms, limits, headers."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from itsdangerous import BadSignature, URLSafeSerializer

from practicum.errors import InputError

# A rater's link, the session it opens in a browser, the owner's session, a login form, a browser the owner
# has logged in from before.
Role = Literal["rater", "session", "owner", "visitor", "device"]

OWNER_SESSION_SECONDS = 12 * 3600.0
DEVICE_SECONDS = 366 * 86_400.0
SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 1000
MOST_BUCKETS = 10_000

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: with it browsers send `Origin: null` with the app's own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}


# -------------------------------------------------------------------------------------- keys and the password


@dataclass(frozen=True)
class Keys:
    """The secret that signs links and sessions, and the argon2 hash of the owner's password."""

    secret: str
    password_hash: str


def load_keys(path: Path, password: str | None) -> tuple[Keys, str | None]:
    """The keys of a file, made at the first start; also the new password if one had to be invented.

    `password` sets the owner's password, which ends the owner's open sessions. The file is readable by its
    user alone. Raises InputError for a file that is not one of keys, cannot be read or written, and for a
    password that is too short, or that nobody could type into the form.
    """
    if password is not None:
        _check_password(password)
    known = _read_keys(path) if path.exists() else None
    if known is not None and (password is None or password_matches(known, password)):
        return known, None
    invented = secrets.token_urlsafe(12) if password is None else None
    secret = secrets.token_urlsafe(32) if known is None else known.secret
    keys = Keys(secret, PasswordHasher().hash(password or invented or ""))
    _write_keys(path, keys)
    return keys, invented


def _check_password(password: str) -> None:
    """Raise InputError for a password that is no text of 10 to 1,000 characters on one line."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise InputError(
            f"owner's password: expected {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters, "
            f"got {len(password)}"
        )
    if any(letter in "\r\n\x00" or "\ud800" <= letter <= "\udfff" for letter in password):
        raise InputError("owner's password: expected UTF-8 text on one line")


def password_matches(keys: Keys, password: str) -> bool:
    """Whether a password is the owner's; takes argon2's time either way."""
    try:
        return PasswordHasher().verify(keys.password_hash, password)
    except VerifyMismatchError:
        return False


def _read_keys(path: Path) -> Keys:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        keys = Keys(str(record["secret"]), str(record["password_hash"]))
        PasswordHasher().check_needs_rehash(keys.password_hash)
    except OSError as error:
        raise InputError(f"{path}: cannot read the app's keys: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, InvalidHashError) as error:
        raise InputError(f"{path}: not a file of the app's keys: remove it to make new ones") from error
    return keys


def _write_keys(path: Path, keys: Keys) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            json.dump({"secret": keys.secret, "password_hash": keys.password_hash}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path}: cannot write the app's keys: {error.strerror}") from error


# -------------------------------------------------------------------------------------------- signed tokens


@dataclass(frozen=True)
class Session:
    """Who is there. `nonce` tells sessions apart, `expires` is in seconds since 1970.

    `link` is the nonce of the personal link that a rater came by.
    """

    role: Role
    name: str
    nonce: str
    expires: float
    link: str = ""


class TokenError(ValueError):
    """A token that is no good; `expired` tells one that was, from one that never was."""

    def __init__(self, expired: bool) -> None:
        super().__init__("expired" if expired else "forged")
        self.expired = expired


class Tokens:
    """Signs and reads sessions of one project: rater links, cookies, form tokens (HMAC-SHA256)."""

    def __init__(self, keys: Keys, project: str) -> None:
        self._keys, self._project = keys, project

    def issue(self, role: Role, name: str, seconds: float) -> str:
        """A token that stands for a session and ends `seconds` from now."""
        return self.sign(Session(role, name, secrets.token_urlsafe(9), int(time.time() + seconds)))

    def sign(self, session: Session) -> str:
        """The token of a session, the same one each time."""
        fields = [session.name, session.nonce, int(session.expires), *filter(None, [session.link])]
        return self._serializer(session.role).dumps(fields)

    def read(self, role: Role, token: str) -> Session:
        """The session of a token. Raises TokenError for one that was not issued for this role, or is over."""
        try:
            name, nonce, expires, *link = self._serializer(role).loads(token)
        except BadSignature as error:
            raise TokenError(expired=False) from error
        if expires <= time.time():
            raise TokenError(expired=True)
        return Session(role, name, nonce, expires, *link)

    def cookie_name(self, role: Role) -> str:
        """The name of a role's cookie, unlike that of any other project on the same host.

        Browsers keep cookies by host and path, whatever the port.
        """
        place = hmac.new(self._keys.secret.encode(), f"cookie {self._project}".encode(), hashlib.sha256)
        return f"practicum_{role}_{place.hexdigest()[:12]}"

    def form_token(self, session: Session) -> str:
        """What a session's forms carry, which no other site can know."""
        message = f"form {session.role} {session.nonce}".encode()
        return hmac.new(self._keys.secret.encode(), message, hashlib.sha256).hexdigest()

    def form_token_matches(self, session: Session, token: str) -> bool:
        """Whether a form came from this session's own page."""
        return hmac.compare_digest(self.form_token(session).encode(), token.encode())

    def _serializer(self, role: Role) -> URLSafeSerializer:
        # The owner's sessions hang on the password: a new one ends them all.
        salt = f"{role} {self._project} {self._keys.password_hash if role == 'owner' else ''}"
        return URLSafeSerializer(
            self._keys.secret, salt=salt, signer_kwargs={"digest_method": hashlib.sha256}
        )


# --------------------------------------------------------------------------------------------------- limits


class RateLimiter:
    """A token bucket per key: `per_minute` requests a minute, as many at once after a rest."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def seconds_to_wait(self, key: str, now: float | None = None) -> float:
        """0 and one request taken off, or the seconds until the next one is allowed. Call from one thread."""
        now = time.monotonic() if now is None else now
        left, then = self._buckets.pop(key, (float(self._per_minute), now))
        left = min(self._per_minute, left + (now - then) * self._per_minute / 60)
        allowed = left >= 1
        self._buckets[key] = (left - 1 if allowed else left, now)
        if len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - left) * 60 / self._per_minute
