"""Learning from preferences without a reward model: losses by hand, gradients, files."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from practicum import cli
from practicum.config import load
from practicum.data.config import DataConfig
from practicum.errors import InputError
from practicum.model.policy import load_policy
from practicum.preferences.rankings import lot
from practicum.training import dpo
from practicum.training.dpo import DpoConfig, Label, Pair, Preferences, Said
from practicum.training.preference_losses import (
    LOSSES,
    Answers,
    Weights,
    kto_baseline,
    kto_loss,
)
from practicum.training.step import trainable
from practicum.types import Prompt, Ranking, Response

NUMBERS = st.floats(-60, -0.0078125, width=32)


def log_sigmoid(value: float) -> float:
    return -math.log1p(math.exp(-value)) if value > 0 else value - math.log1p(math.exp(value))


def by_hand(name: str, c: float, r: float, ref_c: float, ref_r: float, lengths: tuple[int, int]) -> float:
    """The paper's loss of one pair; beta 0.3, margin 0.7."""
    ahead = (c - ref_c) - (r - ref_r)
    mean_c, mean_r = c / lengths[0], r / lengths[1]
    if name == "dpo":
        return -log_sigmoid(0.3 * ahead)
    if name == "ipo":
        return (ahead - 1 / (2 * 0.3)) ** 2
    if name == "simpo":
        return -log_sigmoid(0.3 * mean_c - 0.3 * mean_r - 0.7)
    odds = [math.log(math.exp(mean) / (1 - math.exp(mean))) for mean in (mean_c, mean_r)]
    return -mean_c - 0.3 * log_sigmoid(odds[0] - odds[1])


@pytest.mark.parametrize("name", [name for name, one in LOSSES.items() if one.pair])
@given(
    numbers=st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    lengths=st.tuples(st.integers(1, 20), st.integers(1, 20)),
)
@settings(max_examples=60, deadline=None)
def test_a_pairs_loss_is_that_of_the_paper(
    name: str, numbers: tuple[float, float, float, float], lengths: tuple[int, int]
) -> None:
    chosen, rejected, ref_c, ref_r = (torch.tensor([number], dtype=torch.float64) for number in numbers)
    better = Answers(chosen, ref_c, torch.tensor([lengths[0]]))
    worse = Answers(rejected, ref_r, torch.tensor([lengths[1]]))
    pair = LOSSES[name].pair
    assert pair is not None
    found = float(pair(better, worse, Weights(0.3, margin=0.7)))
    assert found == pytest.approx(by_hand(name, *numbers, lengths), rel=1e-4, abs=1e-7)


def test_ipo_per_token_is_trls() -> None:
    better = Answers(torch.tensor([-6.0]), torch.tensor([-9.0]), torch.tensor([3]))
    worse = Answers(torch.tensor([-4.0]), torch.tensor([-2.0]), torch.tensor([4]))
    ipo = LOSSES["ipo"].pair
    assert ipo is not None
    assert float(ipo(better, worse, Weights(0.5, per_token=True))) == pytest.approx((1.0 + 0.5 - 1.0) ** 2)
    assert float(ipo(better, worse, Weights(0.5))) == pytest.approx((3.0 + 2.0 - 1.0) ** 2)


def test_ktos_loss_and_baseline_by_hand() -> None:
    read = Answers(torch.tensor([-3.0, -3.0]), torch.tensor([-5.0, -5.0]), torch.tensor([2, 2]))
    found = kto_loss(
        read, torch.tensor([True, False]), torch.tensor(0.5), Weights(2.0, desirable=3.0, undesirable=0.5)
    )
    share = 1 / (1 + math.exp(-3.0))
    assert found.tolist() == pytest.approx([3.0 * (1 - share), 0.5 * share])
    below = Answers(torch.tensor([-3.0, -8.0]), torch.tensor([-5.0, -1.0]), torch.tensor([2, 2]))
    assert float(kto_baseline(below)) == 0.0
    assert float(kto_baseline(read)) == pytest.approx(2.0)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", [1e-7, 1.0, 1e4])
def test_gradients_are_finite_however_sure_the_policy_is(name: str, size: float) -> None:
    for sign in (1, -1):
        chosen, rejected = (torch.full((1,), -size * part).requires_grad_() for part in (1.0, 2.0 + sign))
        zeros, one = torch.zeros(1), torch.ones(1, dtype=torch.int64)
        better, worse = Answers(chosen, zeros, one), Answers(rejected, zeros, one)
        pair = LOSSES[name].pair
        if pair is None:
            loss = kto_loss(better, torch.tensor([sign > 0]), torch.zeros(()), Weights(0.1))
        else:
            loss = pair(better, worse, Weights(LOSSES[name].beta))
        loss.sum().backward()
        assert chosen.grad is not None
        assert bool(torch.isfinite(chosen.grad).all())
        assert bool(torch.isfinite(loss).all())


# ------------------------------------------------------------------------------------------ data and update


def ranked(prompt: str, texts: Sequence[str], ranks: Sequence[int]) -> Ranking:
    return Ranking(Prompt(prompt), tuple(Response(text) for text in texts), tuple(ranks))


RANKINGS = [
    ranked("solve ", ["answer", "domain domain", "no"], [1, 2, 3]),
    ranked("answer ", ["solve solve", "domain"], [2, 1]),
    ranked("domain ", ["one", "two", "three", "four"], [1, 1, 2, 2]),
    ranked("an ", ["a", "solve answer domain"], [1, 2]),
]


def ready(model: Path, name: str, **more: Any) -> tuple[Any, Preferences, DpoConfig]:
    config = DpoConfig(model, name, dtype="float32", **more)  # type: ignore[arg-type]
    policy, tokenizer = load_policy(model, torch.device("cpu"))
    data = dpo.encoded(policy.spec, tokenizer, Said(RANKINGS), config)
    if LOSSES[name].reference:
        data = dpo.with_reference(data, policy, config, torch.float32)
    return policy, data, config


def moved(policy: Any, seed: int = 0) -> Any:
    """The policy some way from where it was."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part in policy.parameters():
            part += 0.05 * torch.randn(part.shape, generator=generator)
    return policy


def gradients(policy: Any, data: Preferences, config: DpoConfig) -> tuple[dict[str, float], list[Tensor]]:
    metrics = dpo.learn(policy, data, data.items, config, torch.float32)
    found = [part.grad.clone() for part in trainable(policy) if part.grad is not None]
    policy.zero_grad()
    return metrics, found


@pytest.mark.parametrize("name", LOSSES)
def test_how_a_batch_is_cut_changes_nothing(name: str, untrained_model: Path) -> None:
    policy, data, whole = ready(untrained_model, name)
    moved(policy)
    _, few = gradients(policy, data, whole)
    metrics, many = gradients(policy, data, ready(untrained_model, name, micro_batch_tokens=30)[2])
    largest = max(float(part.abs().max()) for part in few)
    assert largest > 1e-4
    for one, two in zip(few, many, strict=True):
        assert float((one - two).abs().max()) < 1e-5 * max(1.0, largest)
    assert math.isfinite(metrics["loss"])


@pytest.mark.parametrize(("name", "expected"), [("dpo", math.log(2)), ("ipo", 25.0), ("kto", 0.5)])
def test_before_the_first_update_the_policy_is_its_reference(
    name: str, expected: float, untrained_model: Path
) -> None:
    policy, data, config = ready(untrained_model, name)
    metrics, _ = gradients(policy, data, config)
    assert metrics["loss"] == pytest.approx(expected, rel=1e-4)
    assert metrics["rewards/chosen"] == pytest.approx(0, abs=1e-4)
    assert metrics.get("kl", 0.0) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_a_small_step_along_the_gradient_lowers_the_loss(name: str, untrained_model: Path) -> None:
    policy, data, config = ready(untrained_model, name)
    moved(policy)
    before, found = gradients(policy, data, config)
    size = math.sqrt(sum(float((part**2).sum()) for part in found))
    with torch.no_grad():
        for part, slope in zip(trainable(policy), found, strict=True):
            part.sub_(1e-3 / size * slope)
    after, _ = gradients(policy, data, config)
    # kto's baseline moves too, and is no part of the gradient.
    assert after["loss"] < before["loss"] + (1e-4 if name == "kto" else 0.0)


def test_a_ranking_is_all_its_pairs_and_weighs_one(untrained_model: Path) -> None:
    _, data, _ = ready(untrained_model, "dpo")
    assert [round(pair.weight, 3) for pair in data.pairs] == [0.333] * 3 + [1.0] + [0.25] * 4 + [1.0]
    first = data.pairs[0]
    assert isinstance(first, Pair)
    assert data.sequences[first.chosen] != data.sequences[first.rejected]
    assert not data.labels


def test_ktos_labels_come_from_pairs_with_answers_to_other_prompts_beside_them(untrained_model: Path) -> None:
    _, data, _ = ready(untrained_model, "kto")
    assert [label.good for label in data.labels] == [True, False] * len(data.pairs)
    for label in data.labels:
        assert isinstance(label, Label)
        size = data.prompt_lengths[label.answer]
        other = data.sequences[label.mismatched]
        assert other[:size] == data.sequences[label.answer][:size]
        assert data.prompt_lengths[label.mismatched] == size
        assert any(
            ids[length:] == other[size:]
            for ids, length in zip(data.sequences[:11], data.prompt_lengths[:11], strict=True)
            if ids[:length] != other[:size]
        )


@pytest.mark.parametrize("seed", range(3))
def test_ktos_estimate_of_the_kl_rests_on_good_and_bad_answers(untrained_model: Path, seed: int) -> None:
    """Whatever the order of the data: here, as in files of pairs, each prompt's good answer comes first."""
    policy, tokenizer = load_policy(untrained_model, torch.device("cpu"))
    rankings = [
        Ranking(Prompt(f"{n} + 1 ="), (Response(f"{n + 1}"), Response(f"{n} no")), (1, 2), "ann")
        for n in range(60)
    ]
    config = DpoConfig(untrained_model, "kto", seed=seed)
    data = dpo.encoded(policy.spec, tokenizer, Said(rankings), config)

    def reply(row: int) -> tuple[int, ...]:
        return tuple(data.sequences[row][data.prompt_lengths[row] :])

    told = {reply(label.answer): label.good for label in data.labels}
    beside = [told[reply(label.mismatched)] for label in data.labels]
    assert len(beside) == 120
    assert 0.3 < sum(beside) / len(beside) < 0.7


@given(prompts=st.lists(st.integers(0, 3), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_the_answer_beside_a_label_is_of_another_prompt_where_there_is_one(prompts: list[int]) -> None:
    found = dpo.next_of_another([(one,) for one in prompts])
    for place, other in enumerate(found):
        assert (prompts[other] != prompts[place]) == (len(set(prompts)) > 1)


# ------------------------------------------------------------------------------------------------- commands


def write_pairs(path: Path, count: int = 24) -> Path:
    rows = [{"prompt": f"{n} + 1 =", "chosen": f"{n + 1}", "rejected": "domain"} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_labels(path: Path, count: int = 24) -> Path:
    rows = [
        {"prompt": f"{n} + 1 =", "completion": "answer" if n % 2 else "no", "label": bool(n % 2)}
        for n in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


SMALL = (
    "--loop.steps=4",
    "--loop.checkpoint_every=2",
    "--loop.threads=1",
    "--batch_pairs=4",
    "--held_out=0.3",
)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_command_learns_and_goes_on_bit_for_bit(loss: str, untrained_model: Path, tmp_path: Path) -> None:
    data = (write_labels if loss == "kto" else write_pairs)(tmp_path / "rows.jsonl")
    run, again = tmp_path / "run", tmp_path / "again"
    flags = [f"--model={untrained_model}", f"--data={data}", f"--loss={loss}", "--dtype=float32", *SMALL]
    assert cli.main(["dpo", *flags, f"--run={run}"]) == 0
    summary = json.loads((run / "summary.json").read_text())
    assert summary["step"] == 4
    assert summary["stage"] == "dpo"
    assert 0 <= summary["held_out_accuracy"] <= 1
    shutil.copytree(run, again)
    shutil.rmtree(again / "checkpoints" / "step-000004")
    (again / "summary.json").unlink()
    assert cli.main(["dpo", f"--run={again}", "--resume"]) == 0
    first, second = (load_file(path / "checkpoints/step-000004/model.safetensors") for path in (run, again))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_rankings_of_a_store_and_of_a_file_teach(untrained_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "rankings.jsonl"
    path.write_text("".join(json.dumps(one.json()) + "\n" for one in RANKINGS))
    config = load(
        DpoConfig,
        None,
        [f"--model={untrained_model}", f"--preferences={path}", *SMALL, "--held_out=0", "--lora.rank=2"],
    )
    summary = dpo.train(config, tmp_path / "run")
    assert summary["learned_from"] == 9
    assert summary["held_out"] == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--loss=simpo", "--reference=x"], "simpo compares with no reference"),
        (["--margin=2"], "the loss is dpo: drop it, or choose --loss simpo"),
        (["--loss=dpo", "--desirable=2"], "choose --loss kto"),
        (["--loss=dpo", "--data.label=good", "--data=f.jsonl"], "choose --loss kto"),
        (["--loss=kto", "--desirable=0", "--undesirable=0"], "both 0, so nothing is learned"),
    ],
)
def test_settings_of_other_losses_are_refused(flags: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        load(DpoConfig, None, ["--model=m", *flags])


def test_data_that_does_not_fit_the_loss_is_refused(
    untrained_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels, pairs = write_labels(tmp_path / "labels.jsonl"), tmp_path / "pairs.jsonl"
    pairs.write_text('{"prompt": "1", "chosen": "a", "rejected": "b"}\n' * 9, encoding="utf-8")
    for flags, said in (
        ([f"--data={labels}"], "use --loss kto"),
        ([f"--data={labels}", "--loss=kto", "--preferences=x"], "holds labels: drop --preferences"),
        ([], "nothing to learn from: give --preferences FILE or --data FILE"),
        ([f"--data={pairs}", "--loss=kto", "--data.completion=chosen"], "holds no labels"),
        ([f"--data={pairs}", f"--reference={tmp_path / 'gone'}"], "gone: no model here"),
    ):
        code = cli.main(["dpo", f"--model={untrained_model}", f"--run={tmp_path / 'run'}", *flags])
        assert code == 2
        assert said in capsys.readouterr().err
        assert not (tmp_path / "run").exists()


@given(prompts=st.lists(st.integers(0, 9), min_size=1, max_size=12), held_out=st.floats(0, 0.99))
@settings(max_examples=60, deadline=None)
def test_what_is_held_out_is_not_learned_and_nothing_is_lost(prompts: list[int], held_out: float) -> None:
    said = [ranked(f"{number} + 1 =", ["a", "b"], [1, 2]) for number in prompts]
    config = DpoConfig(Path("m"), held_out=held_out)
    if all(lot(one.prompt) < held_out for one in said):
        with pytest.raises(InputError, match="leaves out every prompt"):
            dpo.split(said, [], config)
        return
    learned, held = dpo.split(said, [], config)
    assert learned
    assert len(learned) + len(held) == len(said)
    assert not {one.prompt.text for one in learned} & {one.prompt.text for one in held}


@pytest.mark.parametrize("loss", ["dpo", "kto"])
def test_splits_of_a_folder_are_used_alike_by_pairs_and_labels(
    loss: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write = write_labels if loss == "kto" else write_pairs
    for number, name in enumerate(("train", "validation", "test")):
        write(tmp_path / f"{name}.jsonl", 4 - number)
    config = DpoConfig(Path("m"), loss, data=DataConfig(tmp_path))  # type: ignore[arg-type]
    learned, held = ((*one.rankings, *one.labels) for one in dpo.said_in(config))
    assert (len(learned), len(held)) == (4, 2)
    said = capsys.readouterr().err
    assert "3 " in said
    assert "of the validation split are neither learned from nor examined" in said
    assert "2 of 2 " in said
    with pytest.raises(InputError, match="has a test split: drop it"):
        dpo.said_in(replace(config, held_out=0.3))
    (tmp_path / "test.jsonl").unlink()
    assert len(dpo.said_in(config)[1].labels or dpo.said_in(config)[1].rankings) == 3


def test_one_prompt_is_told_where_kto_compares_with_others(
    untrained_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for prompts, told in ((["a", "a"], True), (["a", "b"], False)):
        data = tmp_path / "labels.jsonl"
        rows = [{"prompt": one, "completion": "answer", "label": True} for one in prompts]
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        flags = [f"--model={untrained_model}", f"--data={data}", "--loss=kto", *SMALL, "--held_out=0"]
        assert cli.main(["dpo", *flags, f"--run={tmp_path / str(told)}"]) == 0
        assert ("all labels are of one prompt" in capsys.readouterr().err) == told


def test_null_labels_teach_in_place_of_peoples(untrained_model: Path, tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "rows.jsonl")
    config = DpoConfig(untrained_model, data=DataConfig(data), control="shuffled-labels")
    learned, examined = dpo.said_in(config)
    plain, same = dpo.said_in(DpoConfig(untrained_model, data=DataConfig(data)))
    assert [one.ranks for one in learned.rankings] != [one.ranks for one in plain.rankings]
    assert list(examined.rankings) == list(same.rankings)


def test_a_run_is_tried_first_and_has_a_page(
    untrained_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_pairs(tmp_path / "rows.jsonl")
    flags = [f"--model={untrained_model}", f"--data={data}", *SMALL]
    assert cli.main(["dpo", *flags, "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {finding["severity"] for finding in found["findings"]} <= {"ok", "warn"}
    assert cli.main(["dpo", *flags, f"--run={tmp_path / 'run'}"]) == 0
    assert cli.main(["report", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "report.html").stat().st_size > 1000
