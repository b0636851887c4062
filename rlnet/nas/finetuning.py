"""Candidates fine-tuned for a few epochs before they are judged (RobNet, Guo et al. 2020, Sec. 3.2).

A supernet's weights serve all its sub-networks; a short adversarial training gives a candidate the accuracy that is its own.
"""

import shutil

from rlnet.config import plain
from rlnet.evaluation.journal import Journal
from rlnet.models.specifications.specification import Specification
from rlnet.nas.judge import Judge
from rlnet.training import distributed
from rlnet.training.folder import StageFolder
from rlnet.training.loop import fit
from rlnet.training.robust import AdversarialTraining


def finetuned(judge: Judge, spec: Specification, journal: Journal, stage: str) -> dict[str, float]:
    """Accuracies of a sub-network after fine-tuning, from the journal if they are there, else kept there.

    1. The network is extracted with batch-norm statistics of its own. 2. It is trained in a folder, where an interrupted
    training goes on. 3. The accuracies after the last epoch are kept, the folder is not. stage: what its progress is called.
    """
    experiment, train = judge.experiment, judge.experiment.config.sample.finetune
    key = judge.key(spec, finetune=plain(train))
    if key not in journal.found:
        folder = StageFolder(experiment.family_folder / "candidates" / key, {"spec": spec.plain()}, {}, stage=stage)
        folder.open()
        network = judge.extract(spec)  # 1
        fit(  # 2
            AdversarialTraining(network, experiment.views),
            experiment.batches(train),
            train,
            folder,
            experiment.compute,
            validate=lambda: judge.validate(network),
            describe=lambda: {"weights": network.state_dict()},
            keep="last",
        )
        distributed.barrier()  # the first rank has written the metrics
        last = folder.read_metrics()[-1]
        journal.add(key, {name: [last[name]] for name in ("clean_accuracy", "adversarial_accuracy")})  # 3
        distributed.barrier()
        if distributed.rank() == 0:
            shutil.rmtree(folder.path)
    return {name: values[0] for name, values in journal.found[key].items()}
