"""A sweep's report in a real browser, from disk: all of it shows, and nothing is asked of the network.

ALMSWEEP_SCREENSHOTS   folder for a screenshot (`report.png`)
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from analysis.report import report
from analysis.tables import make_tables
from docs.pictures import PROGRAMS, headless_browser
from tests.analysis.stored_sweep import SweepBuilder, add_golden_trials

pytestmark = [pytest.mark.group(name="tracking"), pytest.mark.timeout(600)]


def test_a_report_opens_from_disk_without_a_network(tmp_path: Path) -> None:
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"not installed, though this is CI: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (Debian: chromium, chromium-driver)")
    builder = SweepBuilder(tmp_path / "store")
    add_golden_trials(builder)
    made = make_tables(builder.store, builder.manifest(), draws=200)
    page = tmp_path / "report.html"
    page.write_text(report(made, "golden"))
    with headless_browser(tmp_path / "profile", 1300, 1600) as browser:
        browser.get(page.as_uri())
        assert browser.title == "Report of the sweep golden"
        titles = [element.text for element in browser.find_elements(By.TAG_NAME, "h2")]
        assert made.document.title in titles
        shown = browser.find_element(By.CSS_SELECTOR, "#best table").text
        assert "S-LM + ALM" in shown
        for closed in browser.find_elements(By.CSS_SELECTOR, "details:not([open])"):
            browser.execute_script("arguments[0].open = true", closed)
        images = browser.find_elements(By.TAG_NAME, "img")
        assert len(images) > len([cell for cell in made.cells if cell.chosen_id])
        for image in images:
            assert browser.execute_script("return arguments[0].decode().then(() => true)", image)
            assert image.size["width"] > 200
        wide = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, "the page itself needs no scrolling sideways"
        asked = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
        assert [name for name in asked if not name.startswith("data:")] == []
        folder = os.environ.get("ALMSWEEP_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            assert browser.save_screenshot(str(Path(folder, "report.png")))
