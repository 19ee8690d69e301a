"""MLflow's UI in a real browser: what it shows of a sweep equals what the store holds, and is in sight.

ALMSWEEP_SCREENSHOTS   folder for screenshots (`mlflow.png`, `mlflow-curves.png`, `mlflow-roc.png`)
ALMSWEEP_BROWSER_STORE output folder of a finished sweep to browse instead of made-up results
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from docs.pictures import PROGRAMS, WIDTH, headless_browser, height_of
from search_spaces.config import Binary, ImageFolder, TrialConfig
from search_spaces.labels import BlockLabels
from sweeps.tracking.columns import results_path
from sweeps.tracking.experiment import identity_tags
from sweeps.tracking.names import RunNames
from sweeps.tracking.reconcile import reconcile
from sweeps.tracking.state import trial_state
from sweeps.tracking.ui import experiments, free_port, running_ui
from sweeps.tracking.view import TrialView, trial_view
from tests.processes import PATIENCE
from tests.sweeps import synthetic_store as synthetic
from trainer.store import Store

pytestmark = [
    pytest.mark.group(name="tracking"),
    pytest.mark.timeout(1800),
]

CURVES = (
    "train/loss_mean",
    "train/violation_mean",
    "train/penalty_mean",
    "val/auroc",
    "val/fpr_at_tpr_98",
    "val/fpr_at_tpr_95",
)
# What a person compares runs by, and what a run is.
RESULTS = ("val AUC", "test AUC", "test FPR 98", "test FPR 95", "test FPR 90")
WHICH = ("loss", "constraint", "delta")
OWN = Binary(
    source=ImageFolder(folder="thorax_of_our_hospital_2019-2024", size=64),
    negative=("healthy", "benign_finding"),
    positive=("malignant",),
    imbalance_ratio=10,
    validation_per_class=50,
    test_per_class=100,
)


@dataclass(frozen=True)
class Shown:
    """A sweep in a running UI, and what the store says of each of its trials, by the run's name."""

    address: str
    experiment_id: str
    views: dict[str, TrialView]
    tags: dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Shown]]:
    """MLflow's UI on two small sweeps: the demo, and one of a person's own images."""
    _need_browser()
    given = os.environ.get("ALMSWEEP_BROWSER_STORE")
    store = Store(given or tmp_path_factory.mktemp("output"))
    if not given:
        for name, trials in ((synthetic.SWEEP, synthetic.trials()), ("own", synthetic.trials(data=OWN))):
            synthetic.write_sweep(store, trials, name)
            for config in trials:
                synthetic.write_trial(store, config)
    for name in store.sweep_names():
        assert reconcile(store, store.read_sweep(name)).failed == 0
    port = free_port()
    with running_ui(store.storage.root, port=port):
        address = f"http://127.0.0.1:{port}"
        ids = experiments(address)
        yield {name: _shown(store, name, address, ids[name]) for name in store.sweep_names()}


@pytest.fixture
def sweep(sweeps: dict[str, Shown]) -> Shown:
    """The demo, or the first sweep that there is."""
    return sweeps.get(synthetic.SWEEP) or next(iter(sweeps.values()))


@pytest.fixture
def browser(sweep: Shown, tmp_path: Path) -> Iterator[WebDriver]:
    """Headless Chromium with a fresh profile: a first visit."""
    with headless_browser(tmp_path / "profile", WIDTH, height_of(len(sweep.views))) as driver:
        yield driver


def test_table_shows_every_trial_with_its_results(sweep: Shown, browser: WebDriver) -> None:
    browser.get(sweep.address + results_path(sweep.experiment_id))
    names = _wait(browser, lambda: _named_rows(browser, len(sweep.views)))
    assert set(names.values()) == set(sweep.views)
    for column in (*WHICH, *RESULTS):
        cells = _wait(browser, lambda tag=column: _cells(browser, f"tags.`{tag}`", len(sweep.views)))
        shown = {names[row]: text for row, text in cells.items()}
        assert shown == {name: tags[column] for name, tags in sweep.tags.items()}
    best = max(sweep.views, key=lambda name: sweep.views[name].summary["final/val/auroc"])
    assert names["0"] == best or _is_tied(sweep.views, names["0"], best)


def test_what_a_person_compares_is_in_sight_on_a_first_visit(
    sweeps: dict[str, Shown], browser: WebDriver
) -> None:
    """In a window of 1,500 pixels: names and texts are whole, no pane lies over them, rows begin unlike."""
    assert browser.execute_script("return window.innerWidth") == WIDTH == 1500
    for number, (name, sweep) in enumerate(sweeps.items()):
        browser.get(sweep.address + results_path(sweep.experiment_id))
        rows = _wait(browser, lambda sweep=sweep: _named_rows(browser, len(sweep.views)))
        for column in (*WHICH, *RESULTS):
            _wait(browser, lambda tag=column, sweep=sweep: _cells(browser, f"tags.`{tag}`", len(sweep.views)))
            assert _out_of_sight(browser, f"tags.`{column}`") == []
        assert _out_of_sight(browser, "attributes.`Run Name`", cut=True) == []
        assert len({row[:20] for row in rows.values()}) == len(rows)
        assert not browser.find_elements(By.CSS_SELECTOR, "[data-assistant-ui='true'] textarea")
        for button in browser.find_elements(By.CSS_SELECTOR, "button[aria-label='Hide banner']"):
            button.click()  # the note that this is a shared view
        _screenshot(browser, "mlflow.png" if number == 0 else f"mlflow-{name}.png")


def test_what_is_out_of_sight_is_seen(sweep: Shown, browser: WebDriver) -> None:
    """What the test above looks with does see, in a window that is too narrow."""
    browser.set_window_size(1000, 800)
    browser.get(sweep.address + results_path(sweep.experiment_id))
    _wait(browser, lambda: _named_rows(browser, len(sweep.views)))
    assert _out_of_sight(browser, f"tags.`{RESULTS[-1]}`") != []


def test_trial_page_draws_curves_and_roc(sweep: Shown, browser: WebDriver) -> None:
    browser.get(sweep.address + results_path(sweep.experiment_id))
    _wait(browser, lambda: _named_rows(browser, len(sweep.views)))
    label = _with_constraint(sweep.views)
    link = browser.find_element(By.XPATH, f"//a[normalize-space()='{label}']")
    page = str(link.get_attribute("href"))
    link.click()
    _wait(
        browser,
        lambda: label in browser.find_element(By.TAG_NAME, "body").text and "/runs/" in browser.current_url,
    )
    page = page.partition("?")[0]

    browser.get(f"{page}/model-metrics?workflowType=machine_learning")
    search = _wait(browser, lambda: _first(browser, "input[placeholder*='metric charts']"))
    browser.set_window_size(1640, 1180)  # charts out of sight are not drawn
    search.send_keys(f"^({'|'.join(CURVES)})$")
    view = sweep.views[label]
    expected = [[point[name] for point in view.curves.values()] for name in CURVES]
    _wait(browser, lambda: all(curve in _drawn_curves(browser) for curve in expected))
    _screenshot(browser, "mlflow-curves.png")

    browser.get(f"{page}/artifacts/roc.svg?workflowType=machine_learning")
    picture = _wait(browser, lambda: _loaded_picture(browser))
    run_id = page.rpartition("/")[2]
    assert picture == _svg_size(_fetch(f"{sweep.address}/get-artifact?path=roc.svg&run_uuid={run_id}"))
    _screenshot(browser, "mlflow-roc.png")


def _need_browser() -> None:
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"not installed, though this is CI: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (Debian: chromium, chromium-driver)")


def _shown(store: Store, name: str, address: str, experiment_id: str) -> Shown:
    manifest = store.read_sweep(name)
    labels = BlockLabels(config.data for config in manifest.trials)
    names = RunNames(manifest.trials, labels)
    views, tags = {}, {}
    for config in manifest.trials:
        view = views[names.name(config)] = _view(store, config)
        told = identity_tags(config, name, manifest.reading.rows, labels)
        tags[names.name(config)] = {**told, **view.tags}
    return Shown(address, experiment_id, views, tags)


def _view(store: Store, config: TrialConfig) -> TrialView:
    done = store.replicates.ended(config.trial_id)
    return trial_view(trial_state(config, done, store.notes.read_failure(config.trial_id)), store)


def _with_constraint(views: dict[str, TrialView]) -> str:
    return next(label for label, v in views.items() if "train/penalty_mean" in next(iter(v.curves.values())))


def _is_tied(views: dict[str, TrialView], label: str, other: str) -> bool:
    return views[label].summary["final/val/auroc"] == views[other].summary["final/val/auroc"]


def _wait(browser: WebDriver, condition: Any) -> Any:
    """What the condition returns once it is true; a page that is drawn anew meanwhile is looked at again."""
    return WebDriverWait(browser, PATIENCE, ignored_exceptions=(Exception,)).until(lambda _: condition())


def _first(browser: WebDriver, selector: str) -> WebElement | None:
    return next(iter(browser.find_elements(By.CSS_SELECTOR, selector)), None)


def _cells(browser: WebDriver, column: str, count: int) -> dict[str, str] | None:
    """Text by row of a column of the table, or None as long as not every row has one."""
    script = """
        return Object.fromEntries(Array.from(document.querySelectorAll("[row-index] [role='gridcell']"))
            .filter(cell => cell.getAttribute('col-id') === arguments[0])
            .map(cell => [cell.closest('[row-index]').getAttribute('row-index'), cell.innerText.trim()]))
    """
    cells: dict[str, str] = browser.execute_script(script, column)
    return cells if len(cells) == count and all(cells.values()) else None


def _named_rows(browser: WebDriver, count: int) -> dict[str, str] | None:
    """Trial label by row of the table."""
    cells = _cells(browser, "attributes.`Run Name`", count)
    return None if cells is None else {row: text.splitlines()[-1] for row, text in cells.items()}


def _out_of_sight(browser: WebDriver, column: str, *, cut: bool = False) -> list[str]:
    """The texts of a column and its header that are not whole, or something else lies over them.

    With `cut` texts may be longer than the column is wide.
    """
    script = """
        const [column, cut] = arguments;
        const found = Array.from(document.querySelectorAll("[role='gridcell'], [role='columnheader']"))
            .filter(cell => cell.getAttribute('col-id') === column);
        if (found.length < 2) { return ['no such column']; }
        return found.filter(cell => {
            const box = cell.getBoundingClientRect();
            if (box.left < 0 || box.right > window.innerWidth) { return true; }
            const seen = document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2);
            if (!seen || !(cell.contains(seen) || seen.contains(cell))) { return true; }
            const parts = Array.from(cell.querySelectorAll('*'));
            return !cut && parts.some(part => part.clientWidth && part.scrollWidth > part.clientWidth + 1);
        }).map(cell => cell.innerText);
    """
    texts: list[str] = browser.execute_script(script, column, cut)
    return texts


def _drawn_curves(browser: WebDriver) -> list[list[float]]:
    """The y values of every line that is drawn on the page."""
    script = """
        return Array.from(document.querySelectorAll('.js-plotly-plot'))
            .filter(plot => plot.querySelector('.scatterlayer path.js-line'))
            .flatMap(plot => plot.data.map(trace => Array.from(trace.y || [])))
    """
    curves: list[list[float]] = browser.execute_script(script)
    return curves


def _loaded_picture(browser: WebDriver) -> tuple[int, int] | None:
    """Width and height of the artifact's picture, once it is loaded and visible."""
    script = """
        const picture = Array.from(document.images).find(i => i.naturalWidth > 400 && i.offsetParent);
        return picture ? [picture.naturalWidth, picture.naturalHeight] : null
    """
    size = browser.execute_script(script)
    return None if size is None else (size[0], size[1])


def _fetch(url: str) -> bytes:
    from urllib.request import urlopen

    with urlopen(url, timeout=PATIENCE) as reply:
        content: bytes = reply.read()
        return content


def _svg_size(content: bytes) -> tuple[int, int]:
    root = ElementTree.fromstring(content)
    return int(root.attrib["width"]), int(root.attrib["height"])


def _screenshot(browser: WebDriver, name: str) -> None:
    folder = os.environ.get("ALMSWEEP_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        assert browser.save_screenshot(str(Path(folder, name)))
