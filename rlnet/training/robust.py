"""Objectives of robust training without a teacher, as their papers have them: adversarial training, TRADES, FastAT, Free.

python -m rlnet.teacher --objective.name trades

What a paper says of its one network is done here along the adversarial path, on the images that the adversarial view starts
from. Where that path is the only one (network.batch_norm single) nothing else is trained, as in the papers: the other views are
left out, and the attacked images are the whole batch, split_batch or not. Where there are two paths or three, the mean
cross-entropy of the other views, each along its own path, is added (AdvProp, Xie et al. 2020, Eq. 3), so that mode "normal" is
trained too.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from distill import ce_by_view, label_attack, trades_attack, trades_kl
from rlnet.attacks import AttackConfig, Pixels
from rlnet.data.batches import Batch
from rlnet.models import ModeNetwork, frozen
from rlnet.training import distributed
from rlnet.training.config import ObjectiveConfig
from rlnet.training.objective import Objective, mean_over_views, named
from rlnet.training.views import ViewMaker, forward


class RobustObjective(Objective):
    """What the four share: the other views, where they have batch-norm paths. own: the weights of the paper's terms."""

    def __init__(self, network: ModeNetwork, views: ViewMaker, own: dict[str, float]):
        self.network = network
        self.others = tuple(view for view in views.names if view != "adversarial") if network.has_two_paths else ()
        self.views = views if self.others else replace(views, split_batch=False)
        self.weights = {**own, **mean_over_views("ce", 1.0, self.others)}

    def terms(self, batch: Batch, epoch: int, step: int) -> dict[str, Tensor]:
        views, start, labels = self.views.clean_and_augmented(batch)
        terms = self.adversarial_terms(start, labels, epoch, step)
        logits = forward(self.network, {view: views.images[view] for view in self.others})
        return terms | named("ce", ce_by_view(logits, views.labels))

    def adversarial_terms(self, x: Tensor, labels: Tensor, epoch: int, step: int) -> dict[str, Tensor]:
        """The paper's terms, of clean images (B, C, H, W) and their labels (B,)."""
        raise NotImplementedError


class AdversarialTraining(RobustObjective):
    """min_theta max_{|d| <= eps} CE(z(x + d), y) (Madry et al. 2018, Eq. 2.1), the maximum by the configured PGD.

    As all attacks of this training loop, it sees the network in eval mode.
    """

    def __init__(self, network: ModeNetwork, views: ViewMaker):
        super().__init__(network, views, {"ce_adversarial": 1.0})

    def adversarial_terms(self, x: Tensor, labels: Tensor, epoch: int, step: int) -> dict[str, Tensor]:
        x_adv = self.views.adversarial(self.network, lambda logits: label_attack(logits, labels), x, epoch, step)
        return {"ce_adversarial": label_attack(self.network(x_adv, mode="adversarial"), labels)}


def fast_at(network: ModeNetwork, views: ViewMaker) -> AdversarialTraining:
    """FastAT (Wong et al. 2020, arXiv:2001.03994, Algorithm 3): one step of 1.25 eps from a uniform start, back into the ball.

    The paper's own attack sees the network in training mode. It warns of sudden overfitting to its one step: validation is
    under the configured attack, and the best epoch is kept.
    """
    eps = views.attack.eps
    attack = AttackConfig(eps, Pixels(1.25 * eps if eps > 0 else 1), steps=1)  # no step leaves a ball of radius 0
    return AdversarialTraining(network, replace(views, attack=attack))


class Trades(RobustObjective):
    """CE(z(x), y) + beta max KL(p(x) || p(x')) (Zhang et al. 2019, Algorithm 1): terms ce_trades and kl_trades.

    x' is found by the configured PGD from its uniform start, where the paper starts at x + 0.001 N(0, I).
    """

    def __init__(self, network: ModeNetwork, views: ViewMaker, beta: float):
        super().__init__(network, views, {"ce_trades": 1.0, "kl_trades": beta})

    def adversarial_terms(self, x: Tensor, labels: Tensor, epoch: int, step: int) -> dict[str, Tensor]:
        with torch.no_grad(), frozen(self.network, "adversarial"):
            fixed = self.network(x)
        x_adv = self.views.adversarial(self.network, lambda logits: trades_attack(logits, fixed), x, epoch, step)
        clean, attacked = (self.network(images, mode="adversarial") for images in (x, x_adv))
        return {"ce_trades": label_attack(clean, labels), "kl_trades": trades_kl(clean, attacked)}


class FreeTraining(RobustObjective):
    r"""Adversarial training for free (Shafahi et al. 2019, arXiv:1904.12843, Algorithm 1): one backward pass for both steps.

        m times for each batch:   g = grad_{theta, x} CE(z(x + d), y);   theta by SGD;   d = P(d + eps sign(g_x)),  |d| <= eps

    d starts at 0, and is carried from batch to batch and from epoch to epoch: place b of the batch keeps its d_b, whatever
    image comes there. x + d is cut to [0, 1]. Inherent in the one pass, d is found in the training mode of the network. All
    the steps of a batch also train the other paths.
    """

    def __init__(self, network: ModeNetwork, views: ViewMaker, replays: int):
        super().__init__(network, views, {"ce_adversarial": 1.0})
        self.replays = replays
        self.perturbation: Tensor | None = None  # d of this rank's images (B, C, H, W)
        self.x_adv: Tensor | None = None

    def adversarial_terms(self, x: Tensor, labels: Tensor, epoch: int, step: int) -> dict[str, Tensor]:
        if self.perturbation is None:
            self.perturbation = torch.zeros_like(x)
        self.x_adv = (x + self.perturbation).clamp_(0, 1).requires_grad_()
        return {"ce_adversarial": label_attack(self.network(self.x_adv, mode="adversarial"), labels)}

    def end_step(self) -> None:
        eps = float(self.views.attack.eps)
        self.perturbation.add_(self.x_adv.grad.sign(), alpha=eps).clamp_(-eps, eps)
        self.x_adv = None

    def state(self) -> dict[str, Any]:
        """d of the joint batch of all ranks."""
        return {"perturbation": torch.cat(distributed.gather(self.perturbation.cpu()))}

    def load_state(self, state: dict[str, Any]) -> None:
        mine = state["perturbation"].chunk(distributed.world_size())[distributed.rank()]
        self.perturbation = mine.to(self.views.device).contiguous(memory_format=torch.channels_last)


def robust_objective(config: ObjectiveConfig, network: ModeNetwork, views: ViewMaker) -> Objective:
    """The objective of that name. Raises KeyError for rlnet, which is none of these."""
    return {
        "at": lambda: AdversarialTraining(network, views),
        "fast-at": lambda: fast_at(network, views),
        "trades": lambda: Trades(network, views, config.beta),
        "free": lambda: FreeTraining(network, views, config.replays),
    }[config.name]()
