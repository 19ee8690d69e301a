"""The trajectory of two small trials, and what it was when the schema was last raised.

`python -m tests.trainer.golden_trajectory THREADS` prints it as this processor computes it, as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import torch

from search_spaces.config import Bce, ConstraintConfig, Ldam, TrialConfig
from search_spaces.presets import preset
from trainer.data.task import TaskData, load_task
from trainer.fit import fit
from trainer.replicate import Replicate
from trainer.setup import TrialSetup

LOSSES = {"bce": Bce(), "ldam": Ldam()}

# By schema, loss and initial weights: training loss, validation loss and mean multiplier per epoch; the mean
# test score. Those of "he_fan_out" are the numbers of schema 1, which knew no other draw.
GOLDEN = {
    (2, "bce", "torch"): (
        [
            (0.444818, 0.451096, 0.001913),
            (0.175506, 0.472962, 0.003033),
            (0.141194, 0.285971, 0.003243),
            (0.128215, 0.219144, 0.003393),
        ],
        -2.28178,
    ),
    (2, "ldam", "torch"): (
        [
            (3.19941, 8.248696, 0.001456),
            (2.182709, 6.503596, 0.002939),
            (1.711834, 5.316443, 0.00431),
            (1.290231, 3.989895, 0.005691),
        ],
        -0.18624,
    ),
    (2, "bce", "he_fan_out"): (
        [
            (0.49921, 0.396844, 0.001962),
            (0.167001, 0.424664, 0.002462),
            (0.121234, 0.278713, 0.002553),
            (0.123965, 0.154918, 0.002677),
        ],
        -3.33311,
    ),
    (2, "ldam", "he_fan_out"): (
        [
            (3.183127, 8.652097, 0.001454),
            (2.153439, 6.301643, 0.002858),
            (1.546577, 4.818618, 0.004175),
            (1.213716, 4.017836, 0.006876),
        ],
        -0.17015,
    ),
}


def trajectory(loss: str, *, initialization: str = "torch", precision: str = "float32") -> dict[str, Any]:
    """`curves` and `mean_score` as `GOLDEN` has them, and every test score."""
    fields: dict[str, Any] = preset("digits", 20)
    config = TrialConfig(
        **{
            **fields,
            "model": fields["model"].model_copy(update={"initialization": initialization}),
            "loss": LOSSES[loss],
            "constraint": ConstraintConfig(penalty=1e-4, margin=0.5),
            "epochs": 4,
            "seeds": (1,),
            "precision": precision,
        }
    )
    task: TaskData = load_task(config.data, None)
    replicate = Replicate(TrialSetup(config, task, torch.device("cpu")), 1)
    for _ in fit([replicate]):
        pass
    names = ("train/loss", "val/loss", "train/multiplier_mean")
    scores = replicate.score_test()
    return {
        "curves": [tuple(record[name] for name in names) for record in replicate.records],
        "mean_score": float(np.mean(scores)),
        "scores": scores.tolist(),
    }


def main() -> None:
    """Print what this processor computes, with so many threads."""
    torch.set_num_threads(int(sys.argv[1]))
    found: dict[str, Any] = {loss: trajectory(loss) for loss in LOSSES}
    found["bf16"] = trajectory("bce", precision="bf16")
    found["instructions"] = torch.backends.cpu.get_cpu_capability()
    found["threads"] = torch.get_num_threads()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
