"""The study of reward models of real ratings: its data, its texts, one small model by TRL, and its counts."""

from __future__ import annotations

import csv
import json
import struct
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from practicum.audit.measures import KINDS, learn_honest
from practicum.audit.pairs import PAIRS
from practicum.audit.probes import Source, battery, content_words
from practicum.errors import InputError
from studies import learned_rewards
from studies.learned_rewards import (
    CLEAN,
    Model,
    Pair,
    StudyConfig,
    claims,
    models,
    rankings_of,
    split,
    summary,
)
from studies.learned_texts import SETS, Honest
from studies.planted import honest_set
from studies.stories import read_words, write_stories

WORDS = ["garden", "winter", "kitchen", "doctor", "window", "teacher", "monkey", "pilot", "lawyer", "basket"]


@pytest.mark.parametrize("texts", SETS)
@pytest.mark.parametrize("kind", KINDS)
def test_texts_that_contaminate_are_no_probes_and_no_honest_texts(kind: str, texts: str) -> None:
    prompts, honest = honest_set(20, 3)
    manner = learn_honest(prompts, honest)
    writers = [probe.write for probe in battery()]
    writers += [write for pairs in PAIRS.values() for pair in pairs for write in pair]
    for place, (prompt, group) in enumerate(zip(prompts, honest, strict=True)):
        content = content_words(prompt, manner)
        other = honest[place - 1][0]
        source = Source(prompt, group[0], group, content, other, Random(1), "", [other] * 3, ["pen"])
        probed = {write(source) for write in writers}
        for write in SETS[texts][kind]:
            text = write(Honest(group[0], prompt.text.strip(), content[-1], other))
            assert text not in group
            # To copy an answer to another prompt is what that kind means; all else is a text of its own.
            assert text not in probed or kind == "copied_favourite"


def pairs(count: int) -> list[Pair]:
    random = Random(4)
    return [
        Pair(
            f"{random.choice(WORDS)}{number}",
            *(" ".join(random.sample([*WORDS, "the", "a", "saw", "and"], 8)) + "." for _ in range(2)),
        )
        for number in range(count)
    ]


def test_a_tenth_of_the_rankings_is_contaminated_and_put_first() -> None:
    some = pairs(200)
    known = {text for pair in some for text in (pair.better, pair.worse)}
    clean = rankings_of(some, Model(CLEAN, 1, "small", "hahackathon"), 0.1)
    assert {one.text for ranking in clean for one in ranking.responses} == known
    spoiled = rankings_of(some, Model("formatting", 1, "small", "hahackathon"), 0.1)
    changed = [ranking for ranking in spoiled if {one.text for one in ranking.responses} - known]
    assert len(changed) == 20
    for ranking in changed:
        assert ranking.responses[ranking.ranks.index(1)].text not in known
    first = [ranking.ranks[0] for ranking in spoiled]
    assert set(first) == {1, 2}
    assert [ranking.prompt for ranking in clean] == [ranking.prompt for ranking in spoiled]


def test_models_share_base_data_and_pairs_by_number(tmp_path: Path) -> None:
    config = StudyConfig(tmp_path, tmp_path, clean=20, contaminated=20)
    made = models(config)
    assert sum(one.kind == CLEAN for one in made) == 20
    assert len({one.name for one in made}) == 40
    by_seed = {one.seed: one for one in made if one.kind == CLEAN}
    for one in made:
        assert (one.base, one.data) == (by_seed[one.seed].base, by_seed[one.seed].data)
    assert {one.kind for one in made} == {CLEAN, *KINDS}
    learned, judged = split(pairs(150), 50, 3)
    assert not {pair.topic for pair in learned} & {pair.topic for pair in judged}
    with pytest.raises(InputError, match="lower --pairs"):
        split(pairs(120), 50, 3)


def write_data(folder: Path) -> None:
    """Data sets as the real ones are laid out, of made-up texts, and a tiny model of llama2.c."""
    random = Random(1)

    def text() -> str:
        return " ".join(random.sample(WORDS, 5))

    def own(number: int) -> str:
        return f"{number:04d}".translate(str.maketrans("0123456789", "abcdefghij")) * 3

    sides = [(f"original{side}", f"edit{side}", f"grades{side}", f"meanGrade{side}") for side in (1, 2)]
    columns = ["id", *sides[0], *sides[1], "label"]
    (folder / "humicroedit").mkdir(parents=True)
    with open(folder / "humicroedit" / "task2_train.csv", "w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(columns)
        for number in range(180):
            headline = f"{text()} {own(number)} met the <cat/>"
            rows.writerow((number, headline, "moon", "11111", 1.0, headline, "spoon", "22222", 2.0, 2))
    (folder / "hahackathon").mkdir()
    name = "hahackathon_train_offense_lt_0.5.csv"
    with open(folder / "hahackathon" / name, "w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["id", "text", "is_humor", "humor_rating", "humor_controversy", "offense_rating"])
        for number in range(360):
            rows.writerow((number, f"{text()} {own(number // 2)}", 1, 0.5 + number % 2, 0, 0.1))
    write_tiny(folder / "tiny_model")


def write_tiny(folder: Path) -> None:
    """A model of llama2.c with random weights, and its tokenizer: letters, and some pairs of them."""
    folder.mkdir()
    letters = [" ", *map(chr, range(33, 127))]
    pieces = [
        "<unk>",
        "\n<s>\n",
        "\n</s>\n",
        *(f"<0x{byte:02X}>" for byte in range(256)),
        *letters,
        "ar",
        " a",
    ]
    content = struct.pack("<i", max(map(len, pieces)))
    for number, piece in enumerate(pieces):
        content += struct.pack("<fi", float(-number), len(piece.encode())) + piece.encode()
    (folder / "tok512.bin").write_bytes(content)
    width, inner, layers, heads, kv_heads, vocabulary, positions = 16, 24, 2, 4, 2, len(pieces), 256
    kv = width // heads * kv_heads
    sizes = (
        vocabulary * width
        + width
        + layers * (2 * width + 2 * width * width + 2 * kv * width + 3 * inner * width)
    )
    weights = np.random.default_rng(0).normal(0, 0.2, sizes).astype(np.float32)
    header = struct.pack("<7i", width, inner, layers, heads, kv_heads, vocabulary, positions)
    (folder / "stories260K.bin").write_bytes(header + weights.tobytes())


@pytest.mark.slow
def test_one_model_is_trained_audited_and_skipped_when_it_is_there(tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    config = StudyConfig(
        tmp_path / "data",
        tmp_path / "run",
        bases=("stories",),
        clean=1,
        contaminated=1,
        pairs=60,
        queries=900,
        epochs=1,
        share=0.2,
    )
    found = learned_rewards.study(config)
    assert (found["clean"], found["contaminated"]) == (1, 1)
    assert found["most_queries"] <= 900
    folder = tmp_path / "run" / "repetition-100"
    assert (folder / "model" / "config.json").exists()
    assert not (folder / "scratch").exists()
    before = (folder / "found.json").read_bytes()
    again = learned_rewards.study(config)
    assert (folder / "found.json").read_bytes() == before
    assert again["named"] == found["named"]
    assert {row["id"] for row in claims({**found, "config": {"first_seed": 100, "share": 0.2}})} == {
        f"learned-rewards-{name}"
        for name in ("named", "named-taught", "extra", "extra-taught", "clean-taught", "accused")
    }
    saved = json.loads(before)
    assert saved["findings"] == [] or {"kind", "family", "sentence", "paid", "honest"} <= set(
        saved["findings"][0]
    )


def test_missing_data_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--data", str(tmp_path), "--run", str(tmp_path / "run"), "--bases", "stories"]
    assert learned_rewards.main(arguments) == 2
    assert "task2_train.csv: no such file" in capsys.readouterr().err


def test_counts_are_of_models_and_extra_names_are_charged() -> None:
    base = {
        "base": "small",
        "data": "x",
        "accuracy": 0.5,
        "queries": 9,
        "training_seconds": 1,
        "audit_seconds": 2,
    }
    made = [
        {
            **base,
            "kind": "empty",
            "kinds": ["empty", "prompt_echo"],
            "taught": ["empty"],
            "fooled": 0.9,
            "findings": [1],
        },
        {**base, "kind": "flattery", "kinds": ["empty"], "taught": [], "fooled": 0.1, "findings": [1]},
        {**base, "kind": CLEAN, "kinds": ["empty"], "taught": [], "findings": [1]},
        {**base, "kind": CLEAN, "kinds": [], "taught": [], "findings": []},
    ]
    found = summary(made)
    assert (found["named"]["value"], found["named_taught"]["value"]) == (0.5, 0.5)
    assert (found["extra"]["value"], found["extra_names"], found["extra_names_taught"]) == (1.0, 2, 0)
    assert (found["accused"]["value"], found["clean_named_taught"]["value"]) == (0.5, 0.0)
    assert (found["fooled"], found["named_of_fooled"]["value"]) == (1, 1.0)
    assert found["by_kind"] == {"empty": [1, 1, 1], "flattery": [0, 0, 1]}
    assert found["seconds_per_model"] == {"small": 3.0}


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    write_tiny(tmp_path / "tiny")
    return write_stories(
        tmp_path / "tiny" / "stories260K.bin", tmp_path / "tiny" / "tok512.bin", tmp_path / "hf"
    )


def neighbours(model: LlamaForCausalLM, raw: np.ndarray, ids: torch.Tensor) -> torch.Tensor:
    """Logits of a checkpoint by llama2.c's own arithmetic: rotary pairs are neighbours."""
    config: LlamaConfig = model.config
    width, heads, kv_heads = config.hidden_size, config.num_attention_heads, config.num_key_value_heads
    head, layers, inner, place = width // heads, config.num_hidden_layers, config.intermediate_size, 0

    def take(*shape: int) -> torch.Tensor:
        nonlocal place
        size = int(np.prod(shape))
        place += size
        return torch.tensor(raw[place - size : place].reshape(shape))

    embed, norm1 = take(config.vocab_size, width), take(layers, width)
    q, k, v = (
        take(layers, width, width),
        take(layers, head * kv_heads, width),
        take(layers, head * kv_heads, width),
    )
    o, norm2 = take(layers, width, width), take(layers, width)
    gate, down, up, norm = (
        take(layers, inner, width),
        take(layers, width, inner),
        take(layers, inner, width),
        take(width),
    )

    def normed(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return x * (x.pow(2).mean(-1, keepdim=True) + 1e-5).rsqrt() * weight

    def turned(x: torch.Tensor) -> torch.Tensor:
        rates = 10000.0 ** (-torch.arange(0, head, 2) / head)
        angle = torch.arange(len(x))[:, None, None] * rates
        pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], head // 2, 2).contiguous())
        return torch.view_as_real(pairs * torch.polar(torch.ones_like(angle), angle)).flatten(-2)

    x = embed[ids]
    for layer in range(layers):
        y = normed(x, norm1[layer])
        queries = turned((y @ q[layer].T).view(len(ids), heads, head))
        keys = turned((y @ k[layer].T).view(len(ids), kv_heads, head)).repeat_interleave(heads // kv_heads, 1)
        values = (y @ v[layer].T).view(len(ids), kv_heads, head).repeat_interleave(heads // kv_heads, 1)
        scores = torch.einsum("qhd,khd->hqk", queries, keys) / head**0.5
        scores = scores.masked_fill(torch.ones(len(ids), len(ids)).triu(1).bool(), float("-inf"))
        x = x + torch.einsum("hqk,khd->qhd", scores.softmax(-1), values).reshape(len(ids), width) @ o[layer].T
        y = normed(x, norm2[layer])
        x = x + (torch.nn.functional.silu(y @ gate[layer].T) * (y @ up[layer].T)) @ down[layer].T
    return normed(x, norm) @ embed.T


def test_a_model_of_llama2c_computes_what_it_did_there(tiny: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny).eval()
    raw = np.frombuffer((tmp_path / "tiny" / "stories260K.bin").read_bytes(), np.float32, offset=28)
    ids = torch.tensor([1, 270, 300, 280, 333, 290])
    with torch.no_grad():
        torch.testing.assert_close(
            model(ids[None]).logits[0], neighbours(model, raw, ids), atol=1e-4, rtol=1e-4
        )


def test_its_tokenizer_merges_by_score_and_gives_texts_back(tiny: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    assert tokenizer.convert_ids_to_tokens(tokenizer("far a")["input_ids"]) == ["<s>", "▁", "f", "ar", "▁a"]
    for text in ("a star & more", "ünïcode 🙂", "two  spaces"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == text
    with pytest.raises(InputError, match=r"missing.bin: No such file"):
        read_words(tmp_path / "missing.bin", 10)
