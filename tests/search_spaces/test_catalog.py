"""Named spaces hold what they say, and their trial ids stay what they are."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from search_spaces.catalog import NAMED_SPACES, load_space
from search_spaces.errors import SpaceError
from search_spaces.labels import block_label, trial_label
from search_spaces.paper.named import CONSTRAINTS, LOSSES, MARGINS, constraint_name, loss_name
from search_spaces.rows import row_label

# An id changes with every field of the configuration, so an intended change is made here too,
# and stored results of the old ids are then no longer found.
TRIAL_IDS = {
    "cifar10 1:100 baseline_BCE": "4293395b7894180f",
    "cifar10 1:200 baseline_MBAUC": "bf9947448dc0ecb5",
    "cifar10 1:100 baseline_s_LM_m05 ALM_16_beg delta=0.1": "a85d1ea08cf5fa99",
    "cifar100 1:200 baseline_WBCE_1_3 ALM_19_beg delta=0": "1222c0eff9618780",
    "cifar100 1:200 baseline_LDAM ALM_13_beg delta=0.25": "1cebb3d58e9c1c41",
}
DIGESTS = {
    "demo": "9cf7c01e86d2d839872933ff70d9e768416c33639da469dd0a1b732e014fb053",
    "paper-published": "a9eb7e27d63c46cb5d3d2556edbbe15590cfbf315c2d5ce8a17e92ace6ce2141",
    "paper": "a2c80db0c70b7b890d4ca99147428a9f5dd81d62f5ab8ecccb7b528d9c3a2467",
    "digits-multiclass": "27c7038f9a6102faec3d8c903b6cb435f3b84ea3135124a6e92350a6e594b4ea",
    "longtail": "cbcada024f8321a06c1ce843ca61c60ba1513bd442f004d0aa30e407a4f44848",
    "longtail-cifar": "5ccc2efc08de9b17d732e3e9d03e7c71776e0fbddad5ad49282687e3fa511fcb",
    "longtail-cifar-published": "b96808e739bd0cf6011f8bdb2134ff5d6aadb4e0c29dac4cfbb8076a33aa4606",
    "histopathology": "cd3fa4ad84b187752b8e82862c36bdf8994aed6dff11566a9a3dcbcb501492d3",
    "digits-multilabel": "38d27ba5df421f754c7173010801d5447970108b36df6b17fe10ee198ec50828",
    "multilabel": "e0096374e3582bbe9aeeb2f802d1b843823673cf49c3e1b1d5e3d2162d7c2201",
    # Of the first of its two stages.
    "paper-two-stage": "45263c47b3d664583d5e896f1ffa7c3736fb421eb1a9ce66d4934b7ce714c080",
    # Of a search: the points that it starts with.
    "paper-search": "d03bbb9d9e0111208b6f53affbdffbbcc2dc1ac8abab8c82222b0d4859d1fa09",
}


def test_golden_trial_ids() -> None:
    ids = {trial_label(trial): trial.trial_id for trial in load_space("paper")}
    assert {label: ids[label] for label in TRIAL_IDS} == TRIAL_IDS


@pytest.mark.parametrize("name", NAMED_SPACES)
def test_golden_digest_of_all_ids_in_order(name: str) -> None:
    ids = "\n".join(trial.trial_id for trial in load_space(name))
    assert hashlib.sha256(ids.encode()).hexdigest() == DIGESTS[name]


def test_paper_holds_every_combination() -> None:
    space = load_space("paper")
    assert len(space) == 3284
    assert space.replicates == 32840
    assert set(Counter(block_label(trial.data) for trial in space).values()) == {821}
    combinations: set[tuple[str, str, str, float | None]] = {
        (
            block_label(trial.data),
            loss_name(trial.loss),
            constraint_name(trial.constraint),
            None if trial.constraint is None else trial.constraint.margin,
        )
        for trial in space
    }
    expected: set[tuple[str, str, str, float | None]] = set()
    for block in ("cifar10 1:100", "cifar10 1:200", "cifar100 1:100", "cifar100 1:200"):
        for loss in LOSSES:
            expected.add((block, loss, "none", None))
            if loss != "baseline_MBAUC":
                expected |= {(block, loss, alm, delta) for alm in CONSTRAINTS for delta in MARGINS}
    assert combinations == expected


def test_paper_has_17_rows_in_each_of_4_blocks() -> None:
    cells = {(block_label(trial.data), row_label(trial)) for trial in load_space("paper")}
    assert len(cells) == 4 * 17


def test_demo_is_small_and_needs_no_download() -> None:
    space = load_space("Demo")
    assert {trial.data.source.name for trial in space} == {"digits"}
    assert len(space) == 12
    assert space.replicates == 72
    assert {block_label(trial.data) for trial in space} == {"digits-critical 1:40"}


def test_unknown_space_lists_the_known_ones() -> None:
    with pytest.raises(SpaceError) as caught:
        load_space("papers")
    known = (
        "demo, paper-published, paper, paper-two-stage, paper-search, digits-multiclass, longtail, "
        "longtail-cifar, longtail-cifar-published, histopathology, digits-multilabel, "
        "multilabel, or a path that ends in .yaml or .yml"
    )
    assert str(caught.value) == f"unknown search space 'papers'; known: {known}; did you mean paper?"


def test_a_path_is_read_as_a_file(tmp_path: Path) -> None:
    for suffix in (".yaml", ".yml", ".YAML"):
        path = tmp_path / f"mine{suffix}"
        path.write_text("fixed: {dataset: digits, loss: baseline_BCE}")
        assert load_space(str(path)).name == "mine"


def test_import_is_light() -> None:
    program = "import search_spaces.catalog, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"torch", "ray", "mlflow", "pandas", "numpy"} & set(done.stdout.split())
