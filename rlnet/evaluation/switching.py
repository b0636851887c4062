"""The automatic switch: its threshold, set on held-out images, and how well it tells attacked images from clean ones."""

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from rlnet.data import ImageSet
from rlnet.data.batches import evaluation_batches
from rlnet.evaluation.outcomes import hits
from rlnet.evaluation.paths import Paths
from rlnet.models.switch import Switch
from rlnet.models.words import Score

ALWAYS_ADVERSARIAL = 1.01  # a threshold that no confidence reaches
BATCH = 250
CURVE_POINTS = 101


def calibrate(
    paths: Paths, held_out: ImageSet, score: Score, clean_loss: float, device: torch.device
) -> tuple[Switch, dict[str, Any]]:
    """The switch that sends as many images as it may to the adversarial path, and what that rests on.

    Its threshold is the largest at which mode "auto" is right on clean held-out images at most `clean_loss` (a fraction of 1)
    less often than mode "normal". Raises ValueError without held-out images.
    """
    if len(held_out) == 0:
        raise ValueError("there are no held-out images to calibrate the switch on; use a larger data.validation")
    found: dict[str, list[Tensor]] = {"normal": [], "adversarial": [], "confidence": []}
    rule = Switch(score, 0.0)
    with torch.no_grad():
        for x, labels, _ in evaluation_batches(held_out, BATCH):
            x = x.to(device).contiguous(memory_format=torch.channels_last)
            logits = {path: paths.by_path[path](x).cpu() for path in ("normal", "adversarial")}
            for path, z in logits.items():
                found[path].append(z.argmax(dim=1) == labels)
            found["confidence"].append(rule.confidence(logits["normal"], logits["adversarial"]))
    normal, adversarial, confidence = (torch.cat(parts) for parts in found.values())
    switch = Switch(score, largest_threshold(normal, adversarial, confidence, clean_loss))
    is_normal = switch.is_normal(confidence)
    about = {
        **asdict(switch),
        "clean_loss": clean_loss,
        "held_out": {
            "n": len(held_out),
            "normal": hits(normal).accuracy,
            "auto": hits(torch.where(is_normal, normal, adversarial)).accuracy,
            "to_adversarial_path": 1 - hits(is_normal).accuracy,
        },
    }
    return switch, about


def largest_threshold(normal: Tensor, adversarial: Tensor, confidence: Tensor, clean_loss: float) -> float:
    """The largest threshold at which switching costs at most `clean_loss` of the normal path's accuracy.

    normal, adversarial: whether each path is right, bool (N,). confidence: of each image, (N,). Thresholds lie halfway between
    the confidences of two images.
    """
    order = confidence.sort()
    gain = (adversarial.long() - normal.long())[order.indices].cumsum(0)  # of sending the n + 1 least confident there
    middles = (order.values[:-1].double() + order.values[1:].double()) / 2  # a float32 sum may round to one of the two
    thresholds = torch.cat([middles, torch.tensor([ALWAYS_ADVERSARIAL], dtype=torch.float64)])
    differs = torch.cat([order.values[:-1] < order.values[1:], torch.tensor([True])])
    allowed = (differs & (gain >= -clean_loss * len(normal) - 1e-9)).nonzero()  # 0.29 * 100 is a little less than 29
    return float(thresholds[allowed[-1]]) if len(allowed) else 0.0


def detection(switch: Switch, clean: Tensor, attacked: Tensor) -> dict[str, Any]:
    """How well the confidence tells attacked images from clean ones, confidences (N,) and (M,).

    detection: the fraction of attacked images that take the adversarial path; false_alarms: that of the clean ones. auc: the
    probability that an attacked image has less confidence than a clean one (Fawcett 2006), 0.5 for no difference. curve: both
    fractions at thresholds from the least to the greatest confidence.
    """
    thresholds = torch.quantile(torch.cat([clean, attacked]).double(), torch.linspace(0, 1, CURVE_POINTS, dtype=torch.float64))
    return {
        "detection": 1 - hits(switch.is_normal(attacked)).accuracy,
        "false_alarms": 1 - hits(switch.is_normal(clean)).accuracy,
        "auc": auc(clean, attacked),
        "curve": [
            [round(float((values.double() < threshold).double().mean()), 4) for values in (clean, attacked)]
            for threshold in (*thresholds, torch.inf)
        ],
    }


def auc(clean: Tensor, attacked: Tensor) -> float:
    """P(attacked < clean) + P(attacked = clean) / 2 of two independent draws."""
    values = clean.sort().values
    below = torch.searchsorted(values, attacked, right=False)
    up_to = torch.searchsorted(values, attacked, right=True)
    return float((len(clean) - (below + up_to).double() / 2).mean() / len(clean))
