"""Attacks by name."""

import pytest

from rlnet.attacks import AutoPGD, DeepFool, GradientSign, Square, TargetedAutoPGD, TargetedFAB, named
from rlnet.attacks.losses import dlr, margin

PLAIN = {"random_start": False}


@pytest.mark.parametrize(
    ("name", "attack"),
    [
        ("fgsm", GradientSign(1, 1.0, **PLAIN)),
        ("pgd-20", GradientSign(20, 0.25)),
        ("pgd-50x10", GradientSign(50, 0.25, restarts=10)),
        ("mi-fgsm", GradientSign(10, 0.1, **PLAIN, momentum=1.0)),
        ("mi-fgsm-5", GradientSign(5, 0.2, **PLAIN, momentum=1.0)),
        ("cw", GradientSign(30, 0.25, loss=margin)),
        ("cw-100", GradientSign(100, 0.25, loss=margin)),
        ("deepfool", DeepFool("inf", 50, 0.02, 10)),
        ("apgd-ce", AutoPGD(steps=100)),
        ("apgd-dlr", AutoPGD(dlr, steps=100)),
        ("apgd-t", TargetedAutoPGD(9, 100)),
        ("fab-t", TargetedFAB(9, 100, 0.1, 1.05, 0.9)),
        ("square", Square(5000, 0.8, None)),
        ("square-300", Square(300)),
    ],
)
def test_one_attack(name: str, attack: object) -> None:
    assert named(name) == ((name, attack),)


def test_autoattack_is_the_standard_ensemble() -> None:
    assert named("autoattack") == (
        ("apgd-ce", AutoPGD()),
        ("apgd-t", TargetedAutoPGD()),
        ("fab-t", TargetedFAB()),
        ("square", Square(5000, horizon=10_000)),
    )


def test_chains() -> None:
    assert named("pgd-20+autoattack") == (*named("pgd-20"), *named("autoattack"))
    with pytest.raises(ValueError, match=r"'square\+autoattack' has the stage 'square' twice; leave one out"):
        named("square+autoattack")


def test_settings() -> None:
    assert named("pgd-7", 0.1, stop_early=False) == (("pgd-7", GradientSign(7, 0.1, stop_early=False)),)
    assert named("cw", 0.1)[0][1].step_fraction == 0.1
    assert named("fgsm", 0.1, stop_early=False)[0][1] == GradientSign(1, 1.0, random_start=False, stop_early=False)
    assert named("mi-fgsm", 0.5)[0][1].step_fraction == 0.1


@pytest.mark.parametrize("name", ["deepfool", "apgd-ce", "square", "square-10", "autoattack", "fgsm+apgd-t"])
def test_what_must_stop_early(name: str) -> None:
    named(name)
    with pytest.raises(
        ValueError, match=r"can only stop early; what is made for other networks needs fgsm, pgd-N, mi-fgsm or cw"
    ):
        named(name, stop_early=False)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PGD-20", "pgd-20"),
        ("pgd20", "pgd-20"),
        ("autoatack", "autoattack"),
        ("apgd-cw", "apgd-ce"),
        ("fgsm-3", "fgsm"),
        ("pgd-0", "pgd-20"),
        ("pgd", "pgd-20"),
        ("cw-10x2", "cw-30"),
        ("square-10x2", "square-1000"),
    ],
)
def test_unknown_names(name: str, meant: str) -> None:
    with pytest.raises(
        ValueError, match=rf"there is no attack '{name}', did you mean {meant}\?; known: fgsm, pgd-N, pgd-NxR, "
    ):
        named(name)


@pytest.mark.parametrize("name", ["", "zebra", "pgd-20+", "+"])
def test_names_that_resemble_nothing(name: str) -> None:
    with pytest.raises(ValueError, match=r"there is no attack '.*'; known: .*autoattack, square-N \(N steps or queries"):
        named(name)
