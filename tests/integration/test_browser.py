"""MLflow's UI in a real browser: what it shows of a sweep equals what the store holds.

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

from docs.pictures import PROGRAMS, WIDTH, close_assistant, headless_browser, height_of
from search_spaces.config import TrialConfig
from search_spaces.labels import trial_label
from sweeps.tracking.columns import results_path
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
SHOWN = ("final/val/auroc", "final/test/auroc", "final/test/fpr_at_tpr_98")


@dataclass(frozen=True)
class Shown:
    """A sweep in a running UI, and what the store says of each of its trials, by label."""

    address: str
    experiment_id: str
    views: dict[str, TrialView]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """MLflow's UI on a small sweep."""
    _need_browser()
    given = os.environ.get("ALMSWEEP_BROWSER_STORE")
    store = Store(given or tmp_path_factory.mktemp("output"))
    if not given:
        trials = synthetic.trials()
        synthetic.write_sweep(store, trials)
        for config in trials:
            synthetic.write_trial(store, config)
    name = store.sweep_names()[0]
    assert reconcile(store, store.read_sweep(name)).failed == 0
    views = {trial_label(config): _view(store, config) for config in store.read_sweep(name).trials}
    port = free_port()
    with running_ui(store.storage.root, port=port):
        address = f"http://127.0.0.1:{port}"
        yield Shown(address, experiments(address)[name], views)


@pytest.fixture
def browser(sweep: Shown, tmp_path: Path) -> Iterator[WebDriver]:
    """Headless Chromium with a fresh profile that has seen MLflow's assistant before."""
    with headless_browser(tmp_path / "profile", WIDTH, height_of(len(sweep.views))) as driver:
        close_assistant(driver, sweep.address)
        yield driver


def test_table_shows_every_trial_with_its_metrics(sweep: Shown, browser: WebDriver) -> None:
    browser.get(sweep.address + results_path(sweep.experiment_id))
    labels = _wait(browser, lambda: _named_rows(browser, len(sweep.views)))
    assert set(labels.values()) == set(sweep.views)
    for name in SHOWN:
        cells = _wait(browser, lambda name=name: _cells(browser, f"metrics.`{name}`", len(sweep.views)))
        shown = {labels[row]: float(text) for row, text in cells.items()}
        assert shown == {label: view.summary[name] for label, view in sweep.views.items()}
    best = max(sweep.views, key=lambda label: sweep.views[label].summary["final/val/auroc"])
    assert labels["0"] == best or _is_tied(sweep.views, labels["0"], best)
    for button in browser.find_elements(By.CSS_SELECTOR, "button[aria-label='Hide banner']"):
        button.click()  # the note that this is a shared view
    _screenshot(browser, "mlflow.png")


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
