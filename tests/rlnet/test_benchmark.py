"""The reference step computes what ours does, is plain where it says so, and is compared with ours in the right way."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from masks import PartialReLU, get_masks
from rlnet.attacks import AttackConfig
from rlnet.benchmark import main
from rlnet.comparison.intervals import mean_interval
from rlnet.comparison.steps import Site, StepsConfig, Task, interleaved, saved_bytes
from rlnet.data.batches import Batch
from rlnet.models import NetworkConfig
from rlnet.reference import OURS, REFERENCE, ReferencePartialReLU, plain_copy, plain_pgd
from rlnet.training.device import Compute
from rlnet.training.objective import Objective

CPU = Compute(torch.device("cpu"), "fp32")
STAGES = ("teacher", "mask search", "fine-tuning")
TINY = ["--network.width=4", "--image-size=16", "--batch-size=4", "--attack.steps=1", "--repeats=1", "--device=cpu"]


@pytest.fixture(scope="module")
def task() -> Task:
    attack = AttackConfig(steps=2)
    return Task(StepsConfig(network=NetworkConfig(width=4), image_size=16, batch_size=4, relu_budget="30%", attack=attack), CPU)


def gradients(objective: Objective, batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The loss terms of a batch, and the gradient of their weighted sum for every parameter."""
    terms = objective.terms(batch, epoch=3, step=5)
    sum(weight * terms[name] for name, weight in objective.weights.items()).backward()
    return terms, {name: p.grad for name, p in objective.network.named_parameters() if p.grad is not None}


@contextmanager
def both(task: Task, stage: str) -> Iterator[tuple[Objective, Objective]]:
    with task.objectives(OURS) as ours, task.objectives(REFERENCE) as reference:
        yield ours[stage], reference[stage]


@pytest.mark.parametrize("stage", STAGES)
def test_both_steps_have_the_same_terms_and_gradients(task: Task, stage: str) -> None:
    with both(task, stage) as (ours, reference):
        our_terms, our_gradients = gradients(ours, task.batch)
        plain_terms, plain_gradients = gradients(reference, task.batch)
    assert ours.weights == pytest.approx(reference.weights)
    assert our_terms.keys() == plain_terms.keys() == ours.weights.keys()
    assert our_gradients.keys() == plain_gradients.keys()
    for name, term in our_terms.items():
        torch.testing.assert_close(term, plain_terms[name], rtol=1e-3, atol=1e-6)
    for name, gradient in our_gradients.items():  # a gradient near 0 may have another sign in the attack, hence the room
        assert (gradient - plain_gradients[name]).norm() <= 1e-2 * gradient.norm() + 1e-6, name


@pytest.mark.parametrize("stage", STAGES)
def test_both_steps_leave_the_same_running_statistics(task: Task, stage: str) -> None:
    """Each path has seen the images of its views, and none of the attack's."""
    with both(task, stage) as (ours, reference):
        for objective in (ours, reference):
            objective.terms(task.batch, epoch=0, step=0)
        assert ours.network.training and reference.network.training
        found, expected = dict(ours.network.named_buffers()), dict(reference.network.named_buffers())
    for name, buffer in expected.items():
        if "running" in name or "tracked" in name:
            torch.testing.assert_close(found[name], buffer, rtol=1e-3, atol=1e-4)
    assert expected["conv1.bn.paths.clean.num_batches_tracked"] == 2
    assert expected["conv1.bn.paths.adversarial.num_batches_tracked"] == 1


def test_both_searches_sum_the_same_differences_and_choose_the_same_masks(task: Task) -> None:
    with both(task, "mask search") as (ours, reference):
        for objective in (ours, reference):
            objective.terms(task.batch, epoch=0, step=0)
        for name, difference in ours.differences.items():
            torch.testing.assert_close(difference, reference.differences[name], rtol=1e-3, atol=1e-4)
        for objective in (ours, reference):
            objective.end_epoch()
        masks = get_masks(ours.network)
        plain = {name: m.mask for name, m in reference.network.named_modules() if isinstance(m, ReferencePartialReLU)}
    assert masks.keys() == plain.keys() == task.counts.keys()
    for name, mask in masks.items():
        assert plain[name].sum() == task.counts[name]
        assert (mask != plain[name].bool()).float().mean() < 0.01
        assert not reference.differences[name].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_reference_partial_relu_is_ours(generator: torch.Generator, dtype: torch.dtype) -> None:
    mask = torch.rand(3, 5, 5, generator=generator) < 0.4
    x = torch.randn(4, 3, 5, 5, generator=generator, dtype=dtype)
    x[:, :, 0] = 0  # where the two sides of the ReLU meet
    weights = torch.randn(x.shape, generator=generator, dtype=dtype)
    found = []
    for module in (PartialReLU(mask), ReferencePartialReLU(mask)):
        leaf = x.clone().requires_grad_(True)
        y = module(leaf)
        found.append((y, *torch.autograd.grad((y * weights).sum(), leaf)))
    assert all(torch.equal(ours, plain) for ours, plain in zip(*found, strict=True))


def test_a_plain_copy_has_the_same_weights_and_masks_in_contiguous_memory(task: Task) -> None:
    plain = plain_copy(task.student)
    kept = get_masks(task.student)
    for name, weight in task.student.named_parameters():
        other = plain.get_parameter(name)
        assert torch.equal(weight, other) and other.is_contiguous() and other is not weight
    for name, mask in kept.items():
        assert plain.get_submodule(name).mask.dtype == torch.int64
        assert torch.equal(plain.get_submodule(name).mask, mask.long())
    assert get_masks(plain) == {}


def test_both_attacks_find_the_same_images(task: Task) -> None:
    x = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(2))

    def loss(logits: Tensor) -> Tensor:
        return F.cross_entropy(logits, task.batch.labels)

    ours = task.views.adversarial(OURS.copy(task.student), loss, x, 1, 2)
    plain = REFERENCE.teacher(plain_copy(task.student), task.views).attacked(x, loss, 1, 2)
    assert ((ours - plain).abs() > 1e-5).float().mean() < 0.01  # a sign may flip where the gradient is about 0
    assert not plain.requires_grad


def test_the_plain_attack_stays_in_ball_and_box_and_raises_the_loss(task: Task, generator: torch.Generator) -> None:
    network, attack = plain_copy(task.student), replace(task.views.attack, steps=6)
    x, labels = torch.rand(4, 3, 16, 16, generator=generator), task.batch.labels
    noise = torch.rand(x.shape, generator=generator)
    x_adv = plain_pgd(network, lambda logits: F.cross_entropy(logits, labels), x, attack, noise)
    assert (x_adv - x).abs().max() <= attack.eps + 1e-6
    assert x_adv.min() >= 0 and x_adv.max() <= 1
    with torch.no_grad():
        network.eval()
        before, after = (F.cross_entropy(network(images, mode="adversarial"), labels) for images in (x, x_adv))
    assert after > before


def test_only_the_plain_attack_computes_gradients_of_parameters(task: Task) -> None:
    x = torch.rand(2, 3, 16, 16)
    counts = []
    for side in (OURS, REFERENCE):
        network = side.copy(task.student).train()
        seen: list[str] = []
        for name, parameter in network.named_parameters():
            parameter.register_post_accumulate_grad_hook(lambda _p, name=name, seen=seen: seen.append(name))
        if side is OURS:
            task.views.adversarial(network, lambda logits: logits.square().sum(), x, 0, 0)
        else:
            plain_pgd(network, lambda logits: logits.square().sum(), x, task.views.attack, torch.rand(x.shape))
        assert all(parameter.grad is None for parameter in network.parameters())
        counts.append(len(seen))
    on_the_path = [name for name, _ in task.student.named_parameters() if ".paths.clean" not in name]
    assert counts == [0, task.views.attack.steps * len(on_the_path)]


def test_saved_bytes_by_hand() -> None:
    """Ours: the output, 4, and the floor, 4 for the whole batch of 64. The reference: relu's output, 4, 1 - m, 8, and m."""
    ours, reference = saved_bytes(Site(OURS, CPU, 0)), saved_bytes(Site(REFERENCE, CPU, 0))
    assert ours == pytest.approx({"in all": 4 + 4 / 64, "beside its output": 4 / 64})
    assert reference == pytest.approx({"in all": 4 + 8 + 8 / 64, "beside its output": 4 + 8 + 8 / 64})


def test_pairs_are_interleaved_after_one_that_warms_up(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    clock = iter(range(100))
    monkeypatch.setattr("rlnet.comparison.steps.time.perf_counter", lambda: next(clock))

    def reference() -> None:
        calls.append("reference")
        next(clock)  # one second more than the one that passes anyway

    found = interleaved(
        lambda: calls.append("ours"), reference, repeats=3, images=4, device=CPU.device, advance=lambda: calls.append("|")
    )
    assert " ".join(calls) == "reference ours | ours reference | reference ours | ours reference |"
    assert found == {"ours": [250] * 3, "reference": [500] * 3, "ratio": [2] * 3}


def test_the_interval_of_a_mean_by_hand() -> None:
    """Student's t for 2 degrees of freedom is 4.30265 at 97.5%; the standard deviation of 1, 2, 3 is 1."""
    assert mean_interval([1.0, 2.0, 3.0]) == pytest.approx((2, 2 - 4.30265 / 3**0.5, 2 + 4.30265 / 3**0.5), rel=1e-5)


def test_the_command_prints_ratios_and_writes_a_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlnet.comparison.steps.SITE_BATCH", 2)
    assert main([*TINY, f"--output={tmp_path / 'card.json'}"]) == 0
    printed = capsys.readouterr().out
    assert "ours in fp32 (auto: this cpu has no bf16 arithmetic)" in printed or "ours in bf16 (auto" in printed
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["kind"] == "benchmark" and card["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert list(card["ms_per_image"]) == ["teacher step", "mask search step", "fine-tuning step", "partial ReLU"]
    for name, found in card["ms_per_image"].items():
        assert name in printed
        assert found["ratio"] == [found["reference"][0] / found["ours"][0]]


def test_the_command_compares_accuracies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schedule = [
        f"--experiment.{stage}.{key}" for stage in ("teacher", "search", "finetune") for key in ("epochs=1", "batch_size=10")
    ]
    small = ["--network.width=4", "--data.train_limit=20", "--data.validation=0.5", "--data.test_limit=10", "--attack.steps=1"]
    small += ["--relu_budget=10%", '--evaluation.attacks=["pgd-1"]']
    flags = [flag.replace("--", "--experiment.") for flag in small]
    assert main(["--accuracy=true", "--seeds=2", "--device=cpu", *schedule, *flags, f"--output={tmp_path / 'card.json'}"]) == 0
    card = json.loads((tmp_path / "card.json").read_text())
    assert "95% interval" in capsys.readouterr().out
    assert [len(students) for students in card["accuracy"].values()] == [2, 2]
    ours, reference = ([student["CA"] for student in card["accuracy"][side]] for side in ("ours", "reference"))
    assert card["difference"]["CA"]["mean"] == pytest.approx((sum(ours) - sum(reference)) / 2)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--network.name=resnet19"], "resnet19"),
        (["--image-size=4"], "image_size is 4"),
        (["--repeats=0"], "repeats is 0"),
        (["--relu-budget=999m"], "999m"),
        (["--seeds=1"], "seeds is 1"),
        (["--output=no/such/folder/card.json"], "no/such/folder"),
        (["--accuracy=true", "--experiment.split_batch=true"], "split_batch"),
        (["--accuracy=true", "--experiment.distillation.pram=printed"], "distillation.pram"),
        (["--accuracy=true", "--experiment.search.from_scratch=true"], "from_scratch"),
    ],
)
def test_bad_input_ends_in_one_line(flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--device=cpu", *flags]) == 2
    error = capsys.readouterr().err
    *said, line = error.splitlines()
    assert message in line and line.startswith("error: ")
    assert len(said) == (flags == ["--relu-budget=999m"])  # that one needs the network, after what is about to be done
