"""A reward model learns the order people give, once a ranking, and is the same model to Hugging Face."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn import functional

from practicum.errors import InputError
from practicum.model.checkpoint import save_model
from practicum.model.heads import RewardHead
from practicum.model.lora import LoraConfig
from practicum.model.native.scorer import work
from practicum.model.scorer import make_scorer
from practicum.preferences import formats
from practicum.preferences.rankings import (
    Judged,
    as_pairs,
    batch_of,
    by_prompt,
    contrasted,
    read_rankings,
    split_by_hash,
    told_apart,
)
from practicum.reward.accuracy import (
    calibration,
    ensemble_accuracy,
    held_out_report,
    pair_accuracy,
    pairs_of,
    right_of,
    share_interval,
)
from practicum.reward.model import (
    Calibration,
    RewardModel,
    load_reward_model,
    save_reward_model,
    sequences_of,
)
from practicum.training.dead import DeadRunError
from practicum.training.objectives import bradley_terry_loss, plackett_luce_loss
from practicum.training.optimizer import OptimizerConfig
from practicum.training.reward_model import (
    RewardModelConfig,
    _share,
    calibrated,
    learn,
    padded,
    ranking_loss,
    train,
)
from practicum.types import Prompt, Ranking, Response

CONFIG = RewardModelConfig(Path(), ("unused",), dtype="float32", threads=1)


def letters(count: int, seed: int = 0, overlap: int = 1, noise: float = 0.0) -> list[Ranking]:
    """Rankings by people who like the letter `a`: more of it is better; equal numbers are a tie."""
    random = np.random.default_rng(seed)
    rankings = []
    for number in range(count):
        texts = list(
            dict.fromkeys("".join(random.choice(list("abc"), random.integers(1, 6))) for _ in range(5))
        )
        texts = texts if len(texts) > 1 else ["a", "b"]
        for turn in range(overlap):
            liked = [text.count("a") + noise * random.gumbel() for text in texts]
            ranks = tuple(int(sum(other > value for other in liked)) + 1 for value in liked)
            dense = tuple(sorted(set(ranks)).index(rank) + 1 for rank in ranks)
            responses = tuple(Response(text, attributes={"starts": text[0]}) for text in texts)
            rankings.append(Ranking(Prompt(f"{number}:"), responses, dense, rater=f"r{turn}"))
    return rankings


def tiny_model(make_trainee: Any, heads: int = 1, seed: int = 0) -> RewardModel:
    trainee = make_trainee(seed=seed)
    head = RewardHead(trainee.decoder.config.hidden_size, heads, seed)
    scorer = make_scorer(trainee.decoder, torch.float32)
    return RewardModel(trainee.decoder, trainee.tokenizer, head, Calibration((0.0,) * heads), scorer)


@pytest.fixture
def start(make_trainee: Any, tmp_path: Path) -> Path:
    """The folder of a language model that knows nothing."""
    trainee = make_trainee()
    save_model(trainee.decoder, trainee.tokenizer, tmp_path / "start")
    return tmp_path / "start"


# ------------------------------------------------------------------------------------------------- losses

RANKINGS = st.lists(
    st.lists(st.tuples(st.floats(-3, 3), st.integers(1, 4)), min_size=2, max_size=5), min_size=1, max_size=4
)


def matrices(rankings: list[list[tuple[float, int]]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    longest = max(len(ranking) for ranking in rankings)
    scores, ranks = torch.full((len(rankings), longest), 7.0), torch.ones(len(rankings), longest).long()
    mask = torch.zeros(len(rankings), longest, dtype=torch.bool)
    for row, ranking in enumerate(rankings):
        for column, (score, rank) in enumerate(ranking):
            scores[row, column], ranks[row, column], mask[row, column] = score, rank, True
    return scores, ranks, mask


@given(RANKINGS, st.sampled_from([0.0, 0.5]))
@settings(max_examples=50, deadline=None)
def test_bradley_terry_is_the_mean_over_a_rankings_pairs_written_out(
    rankings: list[list[tuple[float, int]]], margin: float
) -> None:
    found = bradley_terry_loss(*matrices(rankings), margin)
    for loss, ranking in zip(found, rankings, strict=True):
        terms = []
        for index, (score, rank) in enumerate(ranking):
            for other, other_rank in ranking[index + 1 :]:
                sign = np.sign(other_rank - rank)
                against = [-sign * (score - other) + margin * abs(rank - other_rank)]
                against = against if sign else [score - other, other - score]
                terms.append(np.mean([np.log1p(np.exp(value)) for value in against]))
        assert float(loss) == pytest.approx(np.mean(terms), abs=1e-5)


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=5))
@settings(max_examples=30, deadline=None)
def test_plackett_luce_gives_all_orders_together_probability_one(scores: list[float]) -> None:
    total = 0.0
    for order in permutations(range(1, len(scores) + 1)):
        loss = plackett_luce_loss(*matrices([list(zip(scores, order, strict=True))]))
        total += float(torch.exp(-loss[0] * (len(scores) - 1)))
    assert total == pytest.approx(1.0, abs=1e-5)


def test_both_losses_agree_on_two_responses_and_are_least_at_equal_scores_for_a_tie() -> None:
    one, other = [(1.3, 1), (0.4, 2)], [(0.2, 1), (0.9, 2)]
    assert torch.allclose(
        bradley_terry_loss(*matrices([one, other])), plackett_luce_loss(*matrices([one, other]))
    )
    for loss in (bradley_terry_loss, plackett_luce_loss):
        tied = [float(loss(*matrices([[(gap, 1), (0.0, 1)]]))) for gap in (-0.5, 0.0, 0.5)]
        assert tied[1] < tied[0] == pytest.approx(tied[2])


def test_padding_carries_no_gradient_and_no_nan() -> None:
    scores, ranks, mask = matrices([[(0.1, 1), (0.2, 2)], [(0.3, 1), (0.2, 2), (0.1, 3), (0.0, 4)]])
    for loss in (bradley_terry_loss, plackett_luce_loss):
        leaf = scores.clone().requires_grad_()
        loss(leaf, ranks, mask).sum().backward()
        assert leaf.grad is not None
        assert leaf.grad[~mask].abs().max() == 0
        assert leaf.grad[mask].isfinite().all()
        assert leaf.grad[mask].abs().min() > 0


# ------------------------------------------------------------------------------------- how rankings are read


def test_every_ranking_weighs_one_whether_it_stays_whole_or_is_cut_into_pairs() -> None:
    judged = by_prompt(letters(20, overlap=2))
    assert sum(len(item.orders) for item in judged) == 40
    pairs = as_pairs(judged)
    assert sum(order.weight for item in pairs for order in item.orders) == pytest.approx(40)
    assert len(pairs) == sum(
        len(order.members) * (len(order.members) - 1) // 2 for item in judged for order in item.orders
    )


def test_a_batch_reads_each_response_once_however_many_pairs_and_raters_it_has(make_trainee: Any) -> None:
    model = tiny_model(make_trainee)
    batch = by_prompt(letters(6, overlap=3))
    responses = sum(len(item.responses) for item in batch)
    before = work.counts.copy()
    learn(model.decoder, model.tokenizer, model.head, batch, CONFIG, torch.float32)
    assert (work.counts - before)["targets"] == responses


def test_an_epoch_has_every_item_once_in_another_order_each_time() -> None:
    items = by_prompt(letters(23))
    epochs = [
        [item.prompt.text for step in range(3) for item in batch_of(items, 10, 3 * epoch + step, 1)]
        for epoch in range(2)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(item.prompt.text for item in items)
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize("objective", ["bradley-terry", "plackett-luce"])
def test_how_a_batch_is_cut_changes_nothing(make_trainee: Any, objective: Any) -> None:
    batch = by_prompt(letters(9, overlap=2))
    gradients = []
    for tokens in (8, 64, 4096):
        model = tiny_model(make_trainee)
        config = replace(CONFIG, objective=objective, micro_batch_tokens=tokens)
        metrics = learn(model.decoder, model.tokenizer, model.head, batch, config, torch.float32)
        gradients.append(
            (
                metrics["loss"],
                model.head.weight.grad,
                dict(model.decoder.named_parameters())["model.embed_tokens.weight"].grad,
            )
        )
    for loss, head, embedding in gradients[1:]:
        assert loss == pytest.approx(gradients[0][0], abs=1e-6)
        torch.testing.assert_close(head, gradients[0][1], atol=1e-6, rtol=1e-4)
        torch.testing.assert_close(embedding, gradients[0][2], atol=1e-6, rtol=1e-4)


def test_contrasts_put_every_answer_above_a_spoiled_one_and_need_no_rating() -> None:
    def judged(subject: str) -> Judged:
        texts = (f"why did the {subject} sing? it had to.", f"the {subject} left. nobody saw.")
        return Judged(Prompt(f"about {subject}"), tuple(Response(text) for text in texts), ())

    cat, dog = judged("cat"), judged("dog")
    seen = set()
    for seed in range(60):
        made = contrasted(cat, [cat, dog], Random(seed))
        assert made.prompt == cat.prompt
        assert made.responses[:2] == cat.responses
        assert [order.members for order in made.orders] == [(0, 2), (1, 3)]
        assert all(order.ranks == (1, 2) and order.weight == 0.5 for order in made.orders)
        for honest, spoiled in zip(made.responses[:2], made.responses[2:], strict=True):
            assert spoiled.text != honest.text
            seen.add(spoiled.text)
    assert {response.text for response in dog.responses} < seen
    assert "the cat left. nobody saw. nobody saw." in seen
    assert "the cat left." in seen
    assert "the cat left. it had to." in seen
    assert contrasted(cat, [cat, dog], Random(1)) == contrasted(cat, [cat, dog], Random(1))


def test_raters_without_weight_are_left_out_and_weights_scale_the_gradient() -> None:
    rankings = letters(5, overlap=2)
    judged = by_prompt(rankings, {"r0": 0.0, "r1": 2.5})
    assert {order.rater for item in judged for order in item.orders} == {"r1"}
    assert set(padded(judged)[3].tolist()) == {2.5}


def test_heads_of_an_ensemble_learn_from_different_halves(make_trainee: Any) -> None:
    model = tiny_model(make_trainee, heads=2)
    batch = by_prompt(letters(40))
    learn(model.decoder, model.tokenizer, model.head, batch, replace(CONFIG, heads=2), torch.float32)
    gradient = model.head.weight.grad
    assert gradient is not None
    assert functional.cosine_similarity(gradient[0], gradient[1], dim=0) < 0.99


def test_the_held_out_prompts_are_the_same_in_any_company() -> None:
    judged = by_prompt(letters(200))
    learned, held_out = split_by_hash(judged, 0.2)
    assert 0.1 < len(held_out) / 200 < 0.3
    names = {item.prompt.text for item in held_out}
    assert names.isdisjoint(item.prompt.text for item in learned)
    assert {item.prompt.text for item in split_by_hash(judged[:100], 0.2)[1]} <= names


# --------------------------------------------------------------------------- responses that read alike

TOKENS = st.lists(st.integers(0, 2), max_size=6)


@given(
    st.lists(
        st.lists(st.tuples(st.text("ab", max_size=3), TOKENS, st.integers(1, 3)), min_size=2, max_size=5),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 5),
)
@settings(max_examples=100, deadline=None)
def test_as_many_responses_are_kept_as_there_are_distinct_token_sequences(
    given_rankings: list[list[tuple[str, list[int], int]]], limit: int
) -> None:
    rankings, read = [], dict[tuple[str, str], tuple[int, ...]]()
    for number, rows in enumerate(given_rankings):
        ranks = [rank for _, _, rank in rows]
        dense = tuple(sorted(set(ranks)).index(rank) + 1 for rank in ranks)
        responses = tuple(Response(text) for text, _, _ in rows)
        rankings.append(Ranking(Prompt(f"p{number}"), responses, dense, "r"))
        for text, ids, _ in rows:
            read.setdefault((f"p{number}", text), tuple(ids[:limit]))
    judged = by_prompt(rankings)
    sequences = [read[item.prompt.text, one.text] for item in judged for one in item.responses]
    left, alike = told_apart(judged, sequences, limit)
    kept = {item.prompt.text: item for item in left}
    pairs = lost = 0
    for ranking in rankings:
        seen = [read[ranking.prompt.text, response.text] for response in ranking.responses]
        pairs += len(seen) * (len(seen) - 1) // 2
        lost += sum(seen[i] == seen[j] for i in range(len(seen)) for j in range(i))
        assert (ranking.prompt.text in kept) == (len(set(seen)) > 1)
        if ranking.prompt.text in kept:
            item = kept[ranking.prompt.text]
            assert len(item.responses) == len(set(seen))
            for order in item.orders:
                assert sorted(order.members) == list(range(len(item.responses)))
                assert set(order.ranks) == set(range(1, max(order.ranks) + 1))
    assert (alike.pairs, alike.total) == (pairs, lost)


def test_pairs_that_read_alike_are_told_counted_and_left_out(
    start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Forty good pairs, eighty that differ behind the last position, sixty of equal texts."""

    def pair(prompt: str, better: str, worse: str) -> Ranking:
        return Ranking(Prompt(prompt), (Response(better), Response(worse)), (1, 2), "r")

    good = [pair(f"{number}:", "aaa", "b") for number in range(40)]
    cut = [pair(f"c{number}:", "a" * 70 + "a", "a" * 70 + "b") for number in range(60)]
    asked_too_long = [pair(f"{number}:" + "b" * 70, "aaa", "b") for number in range(20)]
    equal = [pair(f"e{number}:", "ab", "ab") for number in range(60)]
    summaries = []
    for name, rankings in (("clean", good), ("mixed", [*cut, *good, *asked_too_long, *equal])):
        formats.write(tmp_path / f"{name}.jsonl", rankings)
        config = replace(CONFIG, model=start, preferences=(str(tmp_path / f"{name}.jsonl"),), held_out=0.3)
        summaries.append(train(config, tmp_path / name))
        said = capsys.readouterr().err
        assert ("read alike" in said) == (name == "mixed")
    clean, mixed = summaries
    assert mixed["alike"] == {"pairs": 180, "same_text": 60, "cut": 80, "same_tokens": 0, "limit": 64}
    assert clean["alike"]["same_text"] == 0
    assert said.count("140 of 180 pairs read alike (80 alike once cut at 64 tokens, 60 equal texts)") == 1
    assert "left out" in said
    assert mixed["accuracy"] == clean["accuracy"], "what reads alike changes neither model nor examination"
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("clean", "mixed")]
    assert weights[0] == weights[1]


def test_when_nothing_is_left_it_is_said_before_a_run_begins(start: Path, tmp_path: Path) -> None:
    path = tmp_path / "rankings.jsonl"
    long = "a" * 80
    rankings = [
        Ranking(Prompt(f"{n}:"), (Response(long + "a"), Response(long + "b")), (1, 2)) for n in range(20)
    ]
    formats.write(path, rankings)
    with pytest.raises(InputError, match=r"nothing to learn: 20 of 20 pairs read alike \(20 alike once cut"):
        train(replace(CONFIG, model=start, preferences=(str(path),)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_texts_that_the_tokenizer_writes_alike_are_counted_as_such(make_trainee: Any) -> None:
    trainee = make_trainee()
    judged = by_prompt([Ranking(Prompt("1:"), (Response("é"), Response("日")), (1, 2))])
    read, _ = sequences_of(trainee.decoder, trainee.tokenizer, ["1:"] * 2, ["é", "日"])
    left, alike = told_apart(judged, read, 64)
    assert (left, alike.same_tokens, alike.cut) == ([], 1, 0)
    assert "1 the same tokens for different texts" in alike.sentence()


@pytest.mark.parametrize("heads", [1, 3])
def test_a_model_that_scores_all_alike_is_right_half_the_time(make_trainee: Any, heads: int) -> None:
    model = tiny_model(make_trainee, heads)
    with torch.no_grad():
        model.head.weight.zero_()
    rankings = letters(30)
    judged = by_prompt(rankings)
    assert pair_accuracy(model, judged)[0] == 0.5
    assert ensemble_accuracy([model, model], judged)["accuracy"] == 0.5
    report = held_out_report(model, judged, rankings)
    assert report["accuracy"] == 0.5
    assert (report["ece"], report["ece_floor"]) == (0.0, 0.0)
    assert {one["accuracy"] for one in report["slices"].values()} == {0.5}
    learned = learn(model.decoder, model.tokenizer, model.head, judged, CONFIG, torch.float32)
    assert learned["accuracy"] == 0.5


@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 4)), min_size=2, max_size=40))
@settings(max_examples=50, deadline=None)
def test_turning_all_preferences_round_turns_accuracy_round(rows: list[tuple[int, int]]) -> None:
    advantage = np.array([float(value) for value, _ in rows])
    assert right_of(advantage).mean() == pytest.approx(1 - right_of(-advantage).mean())
    cluster = np.array([number for _, number in rows])
    low, high = share_interval(right_of(advantage), cluster)
    assert 0 <= low <= right_of(advantage).mean() <= high <= 1
    if len(set(cluster.tolist())) == 1:
        assert (low, high) == (0.0, 1.0), "one prompt says nothing about others"


def test_the_interval_of_accuracy_covers_it_where_pairs_come_in_prompts() -> None:
    """Nominal 95%: of 200 simulations 180 cover with a probability above 99%."""
    covered = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        skill = generator.beta(6, 1.5, size=40)
        right = (generator.random((40, 10)) < skill[:, None]).astype(float).reshape(-1)
        low, high = share_interval(right, np.repeat(np.arange(40), 10))
        covered += low <= 0.8 <= high
    assert covered >= 182


@pytest.mark.parametrize("count", [50, 200, 2000])
def test_a_perfectly_calibrated_model_shows_its_floor_on_average(count: int) -> None:
    errors, floors = [], []
    for seed in range(40):
        generator = np.random.default_rng(seed)
        margin = np.abs(generator.normal(size=count))
        sign = np.where(generator.random(count) < 1 / (1 + np.exp(-margin)), 1.0, -1.0)
        found = calibration(margin * sign)
        errors.append(found["ece"])
        floors.append(found["ece_floor"])
    assert np.mean(errors) == pytest.approx(np.mean(floors), rel=0.12)
    assert np.mean(floors) > 0.5 / count**0.5 / 2


# ------------------------------------------------------------------------------------------- the whole stage


def test_it_learns_what_people_like_and_says_how_well(start: Path, tmp_path: Path) -> None:
    path = tmp_path / "rankings.jsonl"
    formats.write(path, letters(250, overlap=4, noise=0.3))
    config = replace(
        CONFIG,
        model=start,
        preferences=(str(path),),
        held_out=0.3,
        heads=2,
        optimizer=OptimizerConfig("adamw", 1e-2, warmup_steps=2),
    )
    summary = train(config, tmp_path / "run")
    report = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert report["accuracy"] > 0.8
    low, high = report["ci95"]
    assert low < report["accuracy"] < high < low + 0.2
    assert report["ceiling"]["accuracy"] < 1
    assert report["share_of_ceiling"] == pytest.approx(report["accuracy"] / report["ceiling"]["accuracy"])
    assert 0 <= report["ece"] < 0.25
    assert 0 < report["ece_floor"] < 0.1
    assert summary["ece_floor"] == report["ece_floor"]
    assert sum(row["pairs"] for row in report["reliability"]) == report["pairs"]
    assert {"preferred is longer", "preferred has starts a", "rater r0"} <= report["slices"].keys()
    assert report["head_disagreement"] > 0
    assert summary["accuracy"] == report["accuracy"]

    model = load_reward_model(tmp_path / "run", torch.float32)
    rewards = model.rewards(["1:"] * 3, ["aaaa", "ab", "ccc"]).mean(1)
    assert rewards[0] > rewards[1] > rewards[2]
    learned, _ = split_by_hash(by_prompt(read_rankings(config.preferences)), 0.3)
    prompts = [item.prompt.text for item in learned for _ in item.responses]
    texts = [response.text for item in learned for response in item.responses]
    reference = model.rewards(prompts, texts)
    assert reference.mean(0).abs().max() < 1e-4
    assert float(reference.mean(1).std(unbiased=False)) == pytest.approx(
        summary["reward_deviation"], rel=1e-4
    )


def test_the_accuracy_of_an_ensemble_is_that_of_its_mean_reward(make_trainee: Any) -> None:
    models = [tiny_model(make_trainee, seed=seed) for seed in (0, 1)]
    judged = by_prompt(letters(12))
    alone = ensemble_accuracy([models[0], models[0]], judged)
    assert alone["accuracy"] == pytest.approx(pair_accuracy(models[0], judged)[0])
    rewards = [[pair.advantage for pair in pairs_of(model, judged)] for model in models]
    right = [first + second > 0 for first, second in zip(*rewards, strict=True)]
    both = ensemble_accuracy(models, judged)
    assert both["accuracy"] == pytest.approx(sum(right) / len(right))
    assert both["ci95"][0] <= both["accuracy"] <= both["ci95"][1]


def test_with_adapters_only_they_and_the_head_learn_and_the_folder_is_whole(
    start: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification

    path = tmp_path / "rankings.jsonl"
    formats.write(path, letters(150))
    config = replace(
        CONFIG,
        model=start,
        preferences=(str(path),),
        held_out=0.3,
        epochs=3,
        lora=LoraConfig(rank=4, alpha=8.0, targets=("q_proj", "v_proj", "up_proj")),
        optimizer=OptimizerConfig("adamw", 2e-2, warmup_steps=2),
    )
    summary = train(config, tmp_path / "run")
    assert summary["accuracy"] > 0.8
    before, written = (
        load_file(folder / "model.safetensors") for folder in (start, tmp_path / "run" / "model")
    )
    both = written.keys() & before.keys()
    changed = {name for name in both if not torch.equal(before[name], written[name])}
    assert {name.split(".")[-2] for name in changed} == {"q_proj", "v_proj", "up_proj"}
    assert not torch.equal(written["score.weight"], RewardHead(32, 1, config.seed).weight)
    assert not (tmp_path / "run" / "model" / "adapter").exists()

    ours = load_reward_model(tmp_path / "run", torch.float32)
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / "model")
    sequences, _ = sequences_of(ours.decoder, ours.tokenizer, ["1:"] * 3, ["aaaa", "ab", "c"])
    with torch.no_grad():
        found = torch.cat([theirs(input_ids=torch.tensor([ids])).logits for ids in sequences])
    torch.testing.assert_close(ours.scores(["1:"] * 3, ["aaaa", "ab", "c"])[0], found, atol=1e-4, rtol=0)


def test_a_run_with_adapters_goes_on_from_its_checkpoint_bit_for_bit(start: Path, tmp_path: Path) -> None:
    path = tmp_path / "rankings.jsonl"
    formats.write(path, letters(60))
    config = replace(
        CONFIG, model=start, preferences=(str(path),), checkpoint_every=4, lora=LoraConfig(rank=2)
    )
    train(config, tmp_path / "whole")
    train(config, tmp_path / "broken")
    # As after a kill between the checkpoint of update 4 and the end.
    for name in ("summary.json", "model", "checkpoints/step-000008"):
        gone = tmp_path / "broken" / name
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    assert (tmp_path / "broken" / "checkpoints" / "step-000004").is_dir()
    train(config, tmp_path / "broken", resume=True)
    weights = [tmp_path / run / "model" / "model.safetensors" for run in ("whole", "broken")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_more_epochs_continue_a_finished_run_as_one_that_was_begun_with_them(
    start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rankings.jsonl"
    formats.write(path, letters(60))
    constant = replace(CONFIG.optimizer, final_share=1.0)
    config = replace(
        CONFIG, model=start, preferences=(str(path),), contrast_steps=2, epochs=3, optimizer=constant
    )
    train(config, tmp_path / "whole")
    train(replace(config, epochs=1), tmp_path / "parts")
    train(config, tmp_path / "parts", resume=True)
    assert "goes on to 14 steps instead of 6" in capsys.readouterr().err
    weights = [tmp_path / run / "model" / "model.safetensors" for run in ("whole", "parts")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    with pytest.raises(InputError, match="was started with epochs = 3, now it is 2"):
        train(replace(config, epochs=2), tmp_path / "parts", resume=True)


def test_regressing_length_out_leaves_no_slope_within_prompts(make_trainee: Any) -> None:
    judged = by_prompt(letters(60))
    model = tiny_model(make_trainee)
    controlled = calibrated(model, judged, "regress")
    again = calibrated(
        replace(controlled, calibration=replace(controlled.calibration, length_slope=0.0)), judged, "regress"
    )
    assert controlled.calibration.length_slope == pytest.approx(again.calibration.length_slope)
    assert abs(controlled.calibration.length_slope) > 1e-3
    prompts = [item.prompt.text for item in judged for _ in item.responses]
    texts = [response.text for item in judged for response in item.responses]
    rewards, lengths = controlled.rewards(prompts, texts)[:, 0], torch.tensor([float(len(t)) for t in texts])
    product, before = 0.0, 0
    for item in judged:
        rows = slice(before, before + len(item.responses))
        product += float(
            ((rewards[rows] - rewards[rows].mean()) * (lengths[rows] - lengths[rows].mean())).sum()
        )
        before = rows.stop
    assert product == pytest.approx(0.0, abs=1e-3)


def test_confidence_that_is_always_right_or_always_half_right_is_measured_as_such() -> None:
    assert calibration(np.full(100, 20.0))["ece"] == pytest.approx(0.0, abs=1e-6)
    overconfident = calibration(np.array([20.0] * 50 + [-20.0] * 50))
    assert overconfident["ece"] == pytest.approx(0.5, abs=1e-6)
    assert overconfident["ece_floor"] < 0.01
    assert overconfident["reliability"] == [{"confidence": pytest.approx(1.0), "accuracy": 0.5, "pairs": 100}]


def test_ties_only_cannot_be_examined(make_trainee: Any) -> None:
    tie = Ranking(Prompt("1:"), (Response("a"), Response("b")), (1, 1))
    with pytest.raises(InputError, match="ties only"):
        held_out_report(tiny_model(make_trainee), by_prompt([tie]), [tie])


# ------------------------------------------------------------------------------------ Hugging Face's folder


@pytest.mark.parametrize("pad_is_eos", [False, True])
@pytest.mark.parametrize("heads", [1, 3])
def test_transformers_gives_the_same_scores(
    make_trainee: Any, tmp_path: Path, pad_is_eos: bool, heads: int
) -> None:
    from transformers import AutoModelForSequenceClassification

    model = tiny_model(make_trainee, heads)
    decoder: Any = model.decoder
    config = decoder.config
    if pad_is_eos:
        decoder.config = replace(config, pad_token_id=config.eos_token_id)
    kept = Calibration((0.5,) * heads, 2.0, 0.1, 3.0)
    save_reward_model(model.decoder, model.tokenizer, model.head, kept, tmp_path / "saved")
    theirs, loading = AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "saved", output_loading_info=True
    )
    assert not any(loading.values())
    assert theirs.config.num_labels == 1
    prompts, texts = ["12:", "123:", "1:"], ["abcab", "c", ""]
    ours = model.scores(prompts, texts)[0].mean(1)
    sequences, _ = sequences_of(model.decoder, model.tokenizer, prompts, texts)
    longest = max(len(sequence) for sequence in sequences)
    pad = theirs.config.pad_token_id
    for left in (False, True):
        padding = [[pad] * (longest - len(sequence)) for sequence in sequences]
        both = zip(padding, sequences, strict=True)
        ids = torch.tensor([[*p, *s] if left else [*s, *p] for p, s in both])
        given_BT = [[0] * len(p) + [1] * len(s) for p, s in zip(padding, sequences, strict=True)]
        real = torch.tensor(given_BT if left else [row[::-1] for row in given_BT])
        with torch.no_grad():
            found = theirs(input_ids=ids, attention_mask=real).logits.squeeze(1)
        torch.testing.assert_close(found, ours, atol=1e-4, rtol=0)
    back = load_reward_model(tmp_path / "saved", torch.float32)
    assert back.calibration == kept
    torch.testing.assert_close(back.scores(prompts, texts)[0], model.scores(prompts, texts)[0])


def test_a_folder_of_another_trainer_is_read_with_mean_zero(make_trainee: Any, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    model = tiny_model(make_trainee)
    folder, theirs = tmp_path / "ours", tmp_path / "theirs"
    save_reward_model(model.decoder, model.tokenizer, model.head, Calibration((0.0,)), folder)
    other = AutoModelForSequenceClassification.from_pretrained(folder)
    del other.config.practicum
    other.save_pretrained(theirs)
    (theirs / "tokenizer.json").write_text(model.tokenizer.to_str())
    back = load_reward_model(theirs, torch.float32)
    assert back.calibration == Calibration((0.0,))
    torch.testing.assert_close(back.scores(["1:"], ["ab"])[0], model.scores(["1:"], ["ab"])[0])


# ---------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"heads": 0}, "heads is 0"),
        ({"epochs": 0}, "epochs is 0"),
        ({"held_out": 1.0}, "held_out is 1.0"),
        ({"margin": -1.0}, "margin is -1.0"),
        ({"weights": {"ann": -1.0}}, "weights.ann is -1.0"),
        ({"margin": 1.0, "objective": "plackett-luce"}, "only with bradley-terry"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        replace(CONFIG, **changes)


def test_missing_rankings_and_folders_are_named(tmp_path: Path, start: Path) -> None:
    with pytest.raises(InputError, match=r"none.jsonl: no such file"):
        read_rankings([str(tmp_path / "none.jsonl")])
    with pytest.raises(InputError, match="no reward model here"):
        load_reward_model(tmp_path / "nothing", torch.float32)
    with pytest.raises(
        InputError,
        match="a reward model's is that of a sequence classifier",
    ):
        load_reward_model(start, torch.float32)
    with pytest.raises(InputError, match=r"of 1 prompts 0 would be held out"):
        split_by_hash(by_prompt(letters(1)), 0.0001)


def test_a_weight_of_nobody_is_refused_and_one_of_somebody_counts(tmp_path: Path, start: Path) -> None:
    path = tmp_path / "rankings.jsonl"
    formats.write(path, letters(40, overlap=2))
    settings = replace(CONFIG, model=start, preferences=(str(path),))
    with pytest.raises(InputError, match=r"weights\.r7: no rater of that name among the 2 who ranked"):
        train(replace(settings, weights={"r7": 2.0}), tmp_path / "nobody")
    assert not (tmp_path / "nobody").exists()
    alone = tmp_path / "alone.jsonl"
    formats.write(alone, [ranking for ranking in letters(40, overlap=2) if ranking.rater == "r1"])
    kept = train(replace(settings, weights={"r0": 0.0}), tmp_path / "kept")
    same = train(replace(settings, preferences=(str(alone),)), tmp_path / "same")
    assert kept["rankings"] == same["rankings"]
    assert kept["accuracy"] == same["accuracy"]


def test_a_bad_run_leaves_nothing_behind(tmp_path: Path, start: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"prompt": "p", "responses": ["a", "b"]}\n')
    with pytest.raises(InputError, match=r"bad.jsonl:1: field 'ranks' is missing"):
        train(replace(CONFIG, model=start, preferences=(str(bad),)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_text_beyond_the_models_positions_keeps_its_end(make_trainee: Any, tokenizer: Tokenizer) -> None:
    decoder = make_trainee().decoder
    (sequence,), _ = sequences_of(decoder, tokenizer, ["1:"], ["a" * 500])
    assert len(sequence) == decoder.config.max_position_embeddings
    assert sequence[-1] == decoder.config.eos_token_id


def test_the_loss_of_an_ensemble_is_the_mean_over_its_heads() -> None:
    items = by_prompt(letters(4))
    scores = torch.randn(
        sum(len(item.responses) for item in items), 1, generator=torch.Generator().manual_seed(0)
    )
    one, right, pairs = ranking_loss(scores, items, CONFIG)
    places, ranks, mask, weight = padded(items)
    by_hand = (bradley_terry_loss(scores[:, 0][places], ranks, mask) * weight).sum()
    assert float(one) == pytest.approx(float(by_hand))
    assert 0 <= right <= pairs


# ---------------------------------------------------------------------------------------- averages, controls


def fitted(start: Path, folder: Path, rankings: Path, **changes: Any) -> Path:
    train(replace(CONFIG, model=start, preferences=(str(rankings),), head_seed=3, **changes), folder)
    return folder


@pytest.fixture
def rankings(tmp_path: Path) -> Path:
    formats.write(tmp_path / "rankings.jsonl", letters(80, overlap=2, noise=0.3))
    return tmp_path / "rankings.jsonl"


def averaged(folders: list[Path], rankings: Path, run: Path) -> RewardModel:
    train(replace(CONFIG, model=None, average=tuple(folders), preferences=(str(rankings),)), run)
    return load_reward_model(run, torch.float32)


def test_the_average_of_a_model_with_itself_is_itself_and_hugging_face_loads_it(
    start: Path, rankings: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification

    member = fitted(start, tmp_path / "member", rankings, epochs=2)
    mean = averaged([member, member], rankings, tmp_path / "mean")
    single = load_reward_model(member, torch.float32)
    prompts, texts = ["1:"] * 3, ["a", "bca", "aaa"]
    assert torch.allclose(mean.rewards(prompts, texts), single.rewards(prompts, texts), atol=1e-6)
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path / "mean" / "model")
    ids = torch.tensor(sequences_of(mean.decoder, mean.tokenizer, prompts[:1], texts[:1])[0])
    assert float(theirs(ids).logits[0, 0].detach()) == pytest.approx(
        float(mean.scores(prompts[:1], texts[:1])[0][0, 0]), abs=1e-4
    )


def test_the_average_of_members_is_the_mean_of_their_weights_centred_anew_and_as_good(
    start: Path, rankings: Path, tmp_path: Path
) -> None:
    members = [fitted(start, tmp_path / f"m{seed}", rankings, epochs=4, seed=seed) for seed in (1, 2)]
    mean = averaged(members, rankings, tmp_path / "mean")
    loaded = [load_reward_model(member, torch.float32) for member in members]
    for name, tensor in mean.decoder.named_parameters():
        parts = [dict(model.decoder.named_parameters())[name] for model in loaded]
        assert torch.allclose(tensor, (parts[0] + parts[1]) / 2, atol=1e-6)
    judged = by_prompt(read_rankings((str(rankings),)))
    learned, _ = split_by_hash(judged, CONFIG.held_out)
    prompts = [item.prompt.text for item in learned for _ in item.responses]
    texts = [response.text for item in learned for response in item.responses]
    assert float(mean.rewards(prompts, texts).mean()) == pytest.approx(0, abs=1e-5)
    summaries = [
        json.loads((folder / "summary.json").read_text()) for folder in (*members, tmp_path / "mean")
    ]
    assert summaries[2]["averaged"] == 2
    assert summaries[2]["accuracy"] > min(one["accuracy"] for one in summaries[:2]) - 0.05


def test_models_of_other_shapes_are_not_averaged(start: Path, rankings: Path, tmp_path: Path) -> None:
    one = fitted(start, tmp_path / "one", rankings)
    two = fitted(start, tmp_path / "two", rankings, heads=2)
    with pytest.raises(InputError, match=r"two: head\.weight is \(2, 32\), that of .*one \(1, 32\)"):
        averaged([one, two], rankings, tmp_path / "mean")
    assert not (tmp_path / "mean").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": None}, "either --model"),
        ({"average": (Path("a"), Path("b"))}, "either --model"),
        ({"model": None, "average": (Path("a"),)}, "two reward models or more"),
        ({"model": None, "average": (Path("a"), Path("b")), "control": "length-only"}, "drop --average"),
    ],
)
def test_averaging_and_learning_are_two_things(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        replace(CONFIG, **changes)


@pytest.mark.parametrize("control", ["none", "shuffled-labels", "length-only"])
def test_a_control_learns_null_labels_and_is_examined_on_peoples(
    control: Any, start: Path, tmp_path: Path
) -> None:
    formats.write(tmp_path / "rankings.jsonl", letters(150))
    settings = replace(
        CONFIG,
        model=start,
        preferences=(str(tmp_path / "rankings.jsonl"),),
        epochs=6,
        held_out=0.3,
        control=control,
    )
    summary = train(settings, tmp_path / "run")
    assert summary["control"] == control
    model = load_reward_model(tmp_path / "run", torch.float32)
    longer, liked = model.rewards(["1:"] * 2, ["bbbbb", "a"]).mean(1).tolist()
    if control == "none":
        assert summary["accuracy"] > 0.85
        assert liked > longer
    if control == "shuffled-labels":
        assert summary["accuracy"] < 0.75
    if control == "length-only":
        assert longer > liked


def test_a_dead_reward_model_names_a_setting_that_it_has_and_goes_on_with_it(
    untrained_model: Path, tmp_path: Path
) -> None:
    """Where every head leaves every ranking out, as two may with few rankings, there is no gradient."""
    config = replace(CONFIG, model=untrained_model, heads=2, held_out=0.0, batch_prompts=2)
    unread = [
        one
        for one in letters(40)
        if not any(_share(by_prompt([one])[0], head, config) for head in range(config.heads))
    ]
    formats.write(tmp_path / "unread.jsonl", unread)
    config = replace(config, preferences=(str(tmp_path / "unread.jsonl"),))
    with pytest.raises(DeadRunError, match="--resume --allow_dead goes on") as caught:
        train(config, tmp_path / "run")
    assert hasattr(config, caught.value.setting)
    summary = train(replace(config, allow_dead=True), tmp_path / "run", resume=True)
    assert summary["warnings"]
