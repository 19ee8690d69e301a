"""README's pictures and the documentation's demo table, from a fresh run of the demo: `make pictures`.

docs/table.png        the figure that the run draws of its table
docs/demo-table.md    the table that the run writes
docs/mlflow.png       the run in MLflow's UI, in headless Chromium; left as it is where that is not installed
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from search_spaces.errors import AlmsweepError, StoreError
from search_spaces.words import count
from sweeps.tracking.columns import results_path
from sweeps.tracking.reconcile import reconcile
from sweeps.tracking.ui import experiments, free_port, running_ui
from trainer.store import Store

SWEEP = "demo"
PROGRAMS = ("chromium", "chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
PATIENCE = 180.0
# Of the window, in pixels; rows out of sight are not drawn.
WIDTH, LEAST_HEIGHT, HEIGHT_AROUND, ROW = 1500, 760, 520, 32
SHOWN = ("attributes.`Run Name`", "tags.`val AUC`", "tags.`test FPR 98`")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and make what is made of it; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.output is not None:
            return make(options.output, options.into)
        with tempfile.TemporaryDirectory(prefix="almsweep-pictures-") as folder:
            output = Path(folder) / "output"
            command = [sys.executable, "-m", "sweeps.cli", "run", SWEEP, "--output", str(output)]
            code = subprocess.run(command, check=False).returncode
            return code or make(output, options.into)
    except AlmsweepError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def make(output: Path, into: Path) -> int:
    """Make the files from a finished run's output; returns the exit code."""
    made = {"table.png": output / "figures" / SWEEP / "table.png"}
    made["demo-table.md"] = output / "tables" / SWEEP / "best.md"
    for source in made.values():
        if not source.is_file():
            raise StoreError(f"{source}: expected what a finished run of {SWEEP} writes, found nothing")
    into.mkdir(parents=True, exist_ok=True)
    for name, source in made.items():
        shutil.copyfile(source, into / name)
        print(f"made {into / name}")
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        print(f"left {into / 'mlflow.png'} as it is: not installed: {', '.join(missing)}")
        return 0
    picture_of_mlflow(output, into / "mlflow.png")
    print(f"made {into / 'mlflow.png'}")
    return 0


def picture_of_mlflow(output: Path, picture: Path) -> None:
    """A screenshot of MLflow's table of the run's trials, once all of its rows are drawn."""
    store = Store(output)
    manifest = store.read_sweep(SWEEP)
    counts = reconcile(store, manifest)
    if counts.failed:
        raise StoreError(f"{output}: not told to MLflow: {count(counts.failed, 'trial')}")
    rows = len(manifest.trials)
    port = free_port()
    with running_ui(output, port=port), tempfile.TemporaryDirectory() as profile:
        address = f"http://127.0.0.1:{port}"
        with headless_browser(Path(profile), WIDTH, height_of(rows)) as browser:
            browser.get(address + results_path(experiments(address)[SWEEP]))
            for column in SHOWN:
                _wait(browser, lambda column=column: _filled(browser, column) == rows)
            for button in browser.find_elements("css selector", "button[aria-label='Hide banner']"):
                button.click()  # the note that this is a shared view
            if not browser.save_screenshot(str(picture)):
                raise StoreError(f"{picture}: could not be written")


@contextmanager
def headless_browser(profile: Path, width: int, height: int) -> Iterator[Any]:
    """Headless Chromium with a fresh profile."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    program, driver = (str(shutil.which(name)) for name in PROGRAMS)
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        browser.set_page_load_timeout(PATIENCE)
        browser.set_window_size(width, height)
        yield browser
    finally:
        browser.quit()


def height_of(rows: int) -> int:
    """The height of a window in which so many rows of MLflow's table are drawn."""
    return max(LEAST_HEIGHT, HEIGHT_AROUND + ROW * rows)


def _wait(browser: Any, condition: Callable[[], bool]) -> None:
    """Wait until the condition holds; a page that is drawn anew meanwhile is looked at again."""
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(browser, PATIENCE, ignored_exceptions=(Exception,)).until(lambda _: condition())


def _filled(browser: Any, column: str) -> int:
    """Rows of the table whose cell in a column has text."""
    script = """
        return Array.from(document.querySelectorAll("[row-index] [role='gridcell']"))
            .filter(cell => cell.getAttribute('col-id') === arguments[0] && cell.innerText.trim()).length
    """
    return int(browser.execute_script(script, column))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m docs.pictures", description="README's pictures")
    add = parser.add_argument
    add("--output", type=Path, help="a finished demo's output folder; default: the demo is run")
    add("--into", type=Path, default=Path(__file__).parent, help="where the files go; default docs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
