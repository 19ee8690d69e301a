"""The contract of every kind, as functions that raise ContractBroken where a member does not keep it.

For tests of losses, models, sources and augmentations, ours and those of plug-ins:

    from trainer.testing import check_loss

    def test_my_loss_keeps_the_contract() -> None:
        check_loss(MyLoss(gamma=2))

They need no pytest, a few seconds, and one thread of a CPU.
"""

from trainer.testing.augmentations import check_augmentation
from trainer.testing.common import ContractBroken
from trainer.testing.losses import check_loss
from trainer.testing.models import check_model
from trainer.testing.sources import check_source
from trainer.testing.steps import check_step

__all__ = [
    "ContractBroken",
    "check_augmentation",
    "check_loss",
    "check_model",
    "check_source",
    "check_step",
]
