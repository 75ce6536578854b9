"""Keys, tokens and limits hold against forging, expiry, guessing and reuse."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practicum.errors import InputError
from practicum.preferences.app.security import (
    Keys,
    RateLimiter,
    Session,
    TokenError,
    Tokens,
    load_keys,
    password_matches,
)

KEYS = Keys("a secret of some length", "a hash")


def test_keys_are_made_once_private_and_without_the_password(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keys, invented = load_keys(path, None)
    assert invented is not None
    assert invented not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert password_matches(keys, invented)
    assert not password_matches(keys, invented + "x")
    assert load_keys(path, None) == (keys, None)
    changed, _ = load_keys(path, "another password")
    assert changed.secret == keys.secret
    assert password_matches(changed, "another password")


def test_keys_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    for password, words in (
        ("short", "10 to 1000 characters, got 5"),
        ("x" * 1001, "10 to 1000 characters, got 1001"),
        ("no text \udcff at all", "UTF-8 text on one line"),
        ("a line and another\n", "UTF-8 text on one line"),
    ):
        with pytest.raises(InputError, match=words):
            load_keys(tmp_path / "keys.json", password)
    assert not (tmp_path / "keys.json").exists()
    with pytest.raises(InputError, match="cannot write"):
        load_keys(tmp_path / "missing" / "keys.json", None)
    for content in ("", "[]", json.dumps({"secret": "x"}), json.dumps({"secret": "x", "password_hash": "y"})):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(InputError, match="not a file of the app's keys"):
            load_keys(tmp_path / "bad.json", None)


def test_a_token_is_good_for_its_role_project_and_key_only() -> None:
    tokens = Tokens(KEYS, "pelicans")
    token = tokens.issue("rater", "Ada", 60)
    assert tokens.read("rater", token).name == "Ada"
    others = [Tokens(KEYS, "other"), Tokens(Keys("another secret", "a hash"), "pelicans")]
    for reader in others:
        with pytest.raises(TokenError) as caught:
            reader.read("rater", token)
        assert not caught.value.expired
    with pytest.raises(TokenError):
        tokens.read("owner", token)
    with pytest.raises(TokenError) as caught:
        tokens.read("rater", tokens.issue("rater", "Ada", -1))
    assert caught.value.expired


def test_a_new_password_ends_the_owners_sessions_but_not_the_raters() -> None:
    tokens, renewed = Tokens(KEYS, "p"), Tokens(Keys(KEYS.secret, "a newer hash"), "p")
    with pytest.raises(TokenError):
        renewed.read("owner", tokens.issue("owner", "owner", 60))
    assert renewed.read("rater", tokens.issue("rater", "Ada", 60)).name == "Ada"


@given(st.text(max_size=200))
def test_made_up_tokens_are_forged(text: str) -> None:
    with pytest.raises(TokenError):
        Tokens(KEYS, "p").read("rater", text)


@given(st.data())
def test_a_changed_token_is_forged(data: st.DataObject) -> None:
    token = Tokens(KEYS, "p").issue("rater", "Ada", 60)
    # The last letter of base64 may hold bits that are not used.
    position = data.draw(st.integers(0, len(token) - 2))
    letter = data.draw(st.sampled_from("ABCXYZabcxyz0189-_").filter(lambda other: other != token[position]))
    with pytest.raises(TokenError):
        Tokens(KEYS, "p").read("rater", token[:position] + letter + token[position + 1 :])


def test_form_tokens_belong_to_one_session() -> None:
    tokens = Tokens(KEYS, "p")
    mine, other = Session("rater", "Ada", "one", 0), Session("rater", "Ada", "two", 0)
    assert tokens.form_token_matches(mine, tokens.form_token(mine))
    assert not tokens.form_token_matches(mine, tokens.form_token(other))
    assert not tokens.form_token_matches(mine, "")
    assert not tokens.form_token_matches(mine, "é")


def test_the_limit_holds_per_key_and_refills() -> None:
    limiter = RateLimiter(60)
    assert [limiter.seconds_to_wait("a", 0.0) for _ in range(60)] == [0.0] * 60
    assert limiter.seconds_to_wait("a", 0.0) == pytest.approx(1.0)
    assert limiter.seconds_to_wait("b", 0.0) == 0
    assert limiter.seconds_to_wait("a", 1.0) == 0
    assert limiter.seconds_to_wait("a", 1.0) > 0
