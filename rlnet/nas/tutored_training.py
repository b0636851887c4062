"""RNAS-CL's training of a network: with tutors on clean images, then against attacks (Nath et al. 2024, Sec. 3.4-3.5).

Clean images take the normal batch-norm path, attacked ones the adversarial path, which starts from the normal one.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from distill import cac, label_attack, trades_attack, trades_kl
from rlnet.data.batches import Batch
from rlnet.models import ModeNetwork, frozen
from rlnet.models.batch_norm import ModeBatchNorm2d
from rlnet.nas.guidance import Guided, Teacher
from rlnet.nas.tutor_config import TutorConfig
from rlnet.nas.watched_layers import student_units, watched_units
from rlnet.training.objective import Objective
from rlnet.training.views import ViewMaker


class TutoredObjective(Objective):
    """L = CE(p, y) + KL(p, q) + gamma L_Attn (Eq. 4), the tutors g (S, T) one-hot. teacher: frozen by the caller."""

    def __init__(self, network: ModeNetwork, teacher: Teacher, tutors: Tensor | None, views: ViewMaker, config: TutorConfig):
        self.network, self.tutors, self.views, self.config = network, tutors, views, config
        self.guided = Guided(config, teacher)
        self.units = student_units(network) if self.guided.needs_maps else {}
        self.weights = {"ce": 1.0, **self.guided.weights}

    def terms(self, batch: Batch, epoch: int, step: int) -> dict[str, Tensor]:
        views, _, _ = self.views.clean_and_augmented(batch)
        logits, terms = self.guided_terms(views.images["clean"])
        return terms | {"ce": F.cross_entropy(logits.float(), views.labels["clean"])}

    def guided_terms(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The student's logits (B, K) of clean images (B, C, H, W), and what the teacher says of them."""
        with watched_units(self.units) as maps:
            logits = self.network(x, mode="clean")
            return logits, self.guided.terms(x, logits, maps(), self.tutors)


class AdversarialObjective(TutoredObjective):
    """L = L_CAC + L_TRADES + L_KL + gamma L_Attn (Eq. 6); x' maximises KL(p(x) || p(x')) along the adversarial path."""

    def __init__(self, network: ModeNetwork, teacher: Teacher, tutors: Tensor | None, views: ViewMaker, config: TutorConfig):
        super().__init__(network, teacher, tutors, views, config)
        self.weights = {"ce": 1.0, "trades": config.beta, "cac": config.cac, **self.guided.weights}

    def terms(self, batch: Batch, epoch: int, step: int) -> dict[str, Tensor]:
        config = self.config
        _, x, labels = self.views.clean_and_augmented(batch)
        with torch.no_grad(), frozen(self.network, "normal"):
            fixed = self.network(x)
        x_adv = self.views.adversarial(self.network, lambda logits: trades_attack(logits, fixed), x, epoch, step)
        clean, terms = self.guided_terms(x)
        attacked = self.network(x_adv, mode="adversarial")
        terms["ce"], terms["trades"] = label_attack(clean, labels), trades_kl(clean, attacked)
        terms["cac"] = cac(clean, attacked, config.cac_temperature, config.cac_threshold)
        return terms


@torch.no_grad()
def start_adversarial_path(network: ModeNetwork) -> None:
    """Gives the adversarial path the statistics and affine parameters of the normal one."""
    for module in network.modules():
        if isinstance(module, ModeBatchNorm2d):
            normal, adversarial = (module.paths[module.routes[mode]] for mode in ("normal", "adversarial"))
            adversarial.load_state_dict(normal.state_dict())
