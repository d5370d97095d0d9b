"""The report in a real Chromium: what a reader sees and does."""

from __future__ import annotations

import base64
import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from lora_lens import conversion_similarity, load_adapter, rank_grids
from lora_lens.questions.similarity.result import SimilarityResult
from lora_lens.report import write_report

from .conftest import DRAWS

PART = "module-0-similarity"
CANVAS = f'[data-figure="{PART}-A"]'
NULLS = ("gaussian", "propagated", "mismatched", "initialisation")


@pytest.fixture(scope="module")
def similarity(pair: tuple[Path, Path]) -> SimilarityResult:
    return conversion_similarity(load_adapter(pair[0]), "query", nulls=NULLS, draws=DRAWS)


def shown(page: Any, canvas: str = CANVAS) -> list[list[float | None]]:
    return page.execute_script(f"return document.querySelector('{canvas}').data[0].z")


def choose(page: Any, view: str, part: str = PART) -> None:
    page.find_element(By.CSS_SELECTOR, f'[name="{part}-view"][value="{view}"]').click()


def close(found: float, expected: float) -> bool:
    # The page has six significant digits, of which it makes excesses.
    return found == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_every_figure_is_drawn_and_nothing_is_asked_of_a_network(page: Any) -> None:
    from pages import requests

    canvases = page.find_elements(By.CSS_SELECTOR, ".canvas")
    assert len(canvases) == 2 * (2 * (2 + 4 + 3) + 1 + 2)  # BA's φ are B's here, and drawn once
    assert all(one.find_elements(By.CSS_SELECTOR, "svg.main-svg") for one in canvases)
    asked = requests(page)
    assert asked
    assert all(address.startswith(("file:", "data:", "blob:")) for address in asked)
    assert page.execute_script(
        "return [...document.querySelectorAll('[src],[href]')].filter("
        "(one) => !(one.tagName === 'A' && /^(#|https:.*arxiv)/.test(one.getAttribute('href')))).length"
    ) == 0  # fmt: skip


def test_a_network_could_not_be_asked(page: Any) -> None:
    blocked = page.execute_async_script(
        "const done = arguments[0];"
        "fetch('http://127.0.0.1:9/').then(() => done('asked'), (error) => done(error.message));"
    )
    assert "Failed to fetch" in blocked
    log = page.get_log("browser")
    assert log
    assert all("Content Security Policy" in entry["message"] for entry in log)


def test_hover_shows_the_value_of_a_cell(page: Any, similarity: SimilarityResult) -> None:
    canvas = page.find_element(By.CSS_SELECTOR, CANVAS)
    page.execute_script(
        "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", canvas
    )
    plot = page.execute_script(
        "const b = arguments[0].querySelector('.nsewdrag').getBoundingClientRect();"
        "const c = arguments[0].getBoundingClientRect();"
        "return [b.x - c.x - c.width / 2, b.y - c.y - c.height / 2, b.width, b.height]",
        canvas,
    )
    row, column = 0, 2
    x = plot[0] + (column + 0.5) / 3 * plot[2]
    y = plot[1] + (row + 0.5) / 3 * plot[3]
    ActionChains(page).move_to_element_with_offset(canvas, int(x), int(y)).perform()
    text = WebDriverWait(page, 5).until(
        lambda _: [one.text for one in canvas.find_elements(By.CSS_SELECTOR, ".hovertext")]
    )[0]
    grid = similarity["A"]
    assert f"φ = {grid.values[row, column]:.3f}" in text
    assert "layers 0 and 2" in text
    baseline = grid.baselines["propagated"]
    assert f"propagated null {baseline.grid(3)[row, column]:.3f}" in text
    assert f"p = {grid.significance['propagated'].p[row, column]:.3f}" in text


def test_the_switch_changes_the_numbers_shown(page: Any, similarity: SimilarityResult) -> None:
    grid = similarity["A"]
    assert close(shown(page)[0][2], grid.values[0, 2])
    choose(page, "null")
    assert close(shown(page)[0][2], grid.baselines["propagated"].grid(3)[0, 2])
    labels = page.find_element(By.CSS_SELECTOR, CANVAS).text
    assert f"{grid.baselines['propagated'].grid(3)[0, 2]:.2f}".removeprefix("0") in labels
    null = Select(page.find_element(By.CSS_SELECTOR, f'[data-controls="{PART}"] [name="null"]'))
    assert [option.text for option in null.options] == list(NULLS)
    null.select_by_visible_text("gaussian")
    assert close(shown(page)[0][2], grid.baselines["gaussian"].mean)
    test = grid.significance["gaussian"]
    for view in ("excess", "p", "p_bh"):
        choose(page, view)
        assert close(shown(page)[0][2], getattr(test, view)[0, 2])
        assert shown(page)[1][1] is None
    what = page.find_element(By.CSS_SELECTOR, f"#{PART} .what").text
    assert "gaussian null" in what
    assert what in page.find_element(By.CSS_SELECTOR, CANVAS).get_attribute("aria-label")
    other = '[data-figure="module-1-similarity-A"]'
    assert shown(page, other)[0][2] != shown(page)[0][2]  # the other module's switch is its own


def test_colours_stretch_to_what_is_there(page: Any, similarity: SimilarityResult) -> None:
    """To what all maps of a part have off their diagonals, which are grey; to 1 where that is asked for."""
    top = f"return document.querySelector('{CANVAS}').data[0].zmax"
    off = ~np.eye(3, dtype=bool)
    most = max(float(similarity[matrix].values[off].max()) for matrix in "AB")
    assert most <= page.execute_script(top) <= most + 0.01
    assert (
        page.find_element(By.CSS_SELECTOR, f"#{PART} .high").text
        == f"{page.execute_script(top):.2f}"
    )
    assert np.isnan(np.array(shown(page)[0][0], dtype=float))
    page.find_element(By.CSS_SELECTOR, f'[data-controls="{PART}"] [name="stretch"]').click()
    assert page.execute_script(top) == 1


def test_labels_of_axes_belong_to_the_marks_at_every_width(page: Any) -> None:
    ticks = (
        "return [...document.querySelectorAll('.canvas.lines')].map((one) => {"
        "  const {xaxis, yaxis} = one._fullLayout;"
        "  const words = (name) => [...one.querySelectorAll(`.${name}tick text`)];"
        "  const places = words('x').map((text) => {"
        "    const box = text.getBoundingClientRect();"
        "    return box.x + box.width / 2 - one.getBoundingClientRect().x - xaxis._offset; });"
        "  const top = Math.max(...[...one.closest('article').querySelectorAll('.canvas.lines')]"
        "    .filter((other) => other.layout.yaxis.title.text === one.layout.yaxis.title.text)"
        "    .flatMap((other) => other.data).flatMap((trace) =>"
        "      trace.y.map((y, k) => y + (trace.base ? trace.base[k] : 0))));"
        "  return {width: one.layout.width, top, high: yaxis.range[1],"
        "    y: words('y').map((text) => Number(text.textContent)),"
        "    x: words('x').map((text, k) => places[k] - xaxis.d2p(text.textContent))}; })"
    )
    for width in (1280, 700, 420):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        WebDriverWait(page, 5).until(
            lambda _, width=width: all(one["width"] < width for one in page.execute_script(ticks))
        )
        # For a picture of more than the window Chromium makes it wider and narrower at once.
        clip = {"x": 0, "y": 0, "width": width, "height": 1400, "scale": 1}
        page.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
        )
        for one in page.execute_script(ticks):
            assert one["top"] <= one["high"] < 1.3 * one["top"]
            assert one["high"] / 2 < max(one["y"]) <= one["high"]
            assert one["x"]
            assert all(abs(off) < 3 for off in one["x"])  # pixels
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_and_b_stand_beside_each_other_on_one_axis(page: Any) -> None:
    found = page.execute_script(
        "return [...document.querySelectorAll('#module-0-shared .canvas')].map((one) => {"
        "  const {x, y} = one.getBoundingClientRect();"
        "  return [Math.round(x), Math.round(y), one._fullLayout.yaxis.range[1]]; })"
    )
    (a, b), (captured_a, captured_b) = found[:2], found[2:]
    assert a[1:] == b[1:]
    assert captured_a[1:] == captured_b[1:]
    assert (a[0], b[0]) == (captured_a[0], captured_b[0])
    assert a[1] < captured_a[1]


def test_switches_are_reached_by_keyboard(page: Any) -> None:
    first = page.find_element(By.CSS_SELECTOR, f'[name="{PART}-view"]')
    page.execute_script("arguments[0].focus()", first)
    before = shown(page)
    ActionChains(page).send_keys(Keys.ARROW_RIGHT).perform()
    assert shown(page) != before


def test_grid_of_i_and_j_follows_its_choices(page: Any, pair: tuple[Path, Path]) -> None:
    part = "module-5-grid"
    form = page.find_element(By.CSS_SELECTOR, f'[data-controls="{part}"]')
    Select(form.find_element(By.NAME, "matrix")).select_by_visible_text("A (right)")
    Select(form.find_element(By.NAME, "layer")).select_by_visible_text("2")
    grids = rank_grids(load_adapter(pair[0]), load_adapter(pair[1]), "value")
    expected = grids.of("A", "right")[2]
    canvas = f'[data-figure="{part}"]'
    assert close(shown(page, canvas)[1][3], expected.values[1, 3])
    choose(page, "null", part)
    assert close(shown(page, canvas)[1][3], expected.gaussian_mean[1, 3])


def test_spectra_switch_to_shares_of_energy(page: Any) -> None:
    canvas = '[data-figure="module-0-spectrum-s"]'
    values = shown(page, canvas)[0]
    choose(page, "energy", "module-0-spectrum")
    energy = [value**2 for value in values]
    for share, square in zip(shown(page, canvas)[0], energy, strict=True):
        assert close(share, square / sum(energy))


def colours(page: Any) -> tuple[str, str]:
    return (
        page.execute_script("return getComputedStyle(document.body).backgroundColor"),
        page.execute_script(f"return document.querySelector('{CANVAS}').layout.font.color"),
    )


def test_dark_and_light_by_the_system_and_by_the_button(page: Any) -> None:
    light = colours(page)
    page.find_element(By.ID, "theme").click()
    dark = colours(page)
    assert all(one != other for one, other in zip(light, dark, strict=True))
    page.find_element(By.ID, "theme").click()
    assert colours(page) == light
    page.execute_script("delete document.documentElement.dataset.theme")
    for value, expected in (("dark", dark), ("light", light)):
        features = [{"name": "prefers-color-scheme", "value": value}]
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        WebDriverWait(page, 5).until(lambda _, expected=expected: colours(page) == expected)
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_tables_sort_by_a_click_on_a_head(page: Any) -> None:
    table = page.find_element(By.CSS_SELECTOR, f"#{PART}-t1 table")
    head = table.find_elements(By.CSS_SELECTOR, "th")[4]
    assert head.text.strip() == "z"

    def column() -> list[float]:
        cells = table.find_elements(By.CSS_SELECTOR, "tbody td:nth-child(5)")
        return [float(cell.text.replace("−", "-")) for cell in cells]

    unsorted = column()
    assert unsorted != sorted(unsorted)
    head.find_element(By.CSS_SELECTOR, "button").click()
    assert column() == sorted(unsorted)
    assert head.get_attribute("aria-sort") == "ascending"
    head.find_element(By.CSS_SELECTOR, "button").send_keys(Keys.ENTER)
    assert column() == sorted(unsorted, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"


def test_a_table_copies_as_latex(page: Any, similarity: SimilarityResult) -> None:
    from lora_lens.questions.similarity.tables import chance_table
    from lora_lens.show.text import as_latex

    page.execute_script(
        "Object.defineProperty(navigator, 'clipboard', {configurable: true, value: {"
        "writeText: async (text) => { window.copied = text; }}})"
    )
    page.find_element(By.CSS_SELECTOR, f"#{PART}-t1 .copy").click()
    WebDriverWait(page, 5).until(
        lambda _: page.find_element(By.ID, "said").text == "Copied as LaTeX"
    )
    assert page.execute_script("return window.copied") == as_latex([chance_table(similarity)])


def test_where_the_clipboard_is_closed_the_latex_is_selected(page: Any) -> None:
    page.execute_script(
        "Object.defineProperty(navigator, 'clipboard', {configurable: true, value: {"
        "writeText: () => Promise.reject(new Error('no'))}})"
    )
    page.find_element(By.CSS_SELECTOR, f"#{PART}-t1 .copy").click()
    area = page.find_element(By.ID, f"{PART}-t1-latex")
    WebDriverWait(page, 5).until(lambda _: area.is_displayed())
    start, end = page.execute_script(
        "return [arguments[0].selectionStart, arguments[0].selectionEnd]", area
    )
    assert end - start == len(area.get_attribute("value")) > 0
    assert "\\begin{table}" in area.get_attribute("value")


def test_at_the_width_of_a_phone_nothing_is_cut_off(page: Any) -> None:
    size = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.execute_script(
        "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
    )
    fits = (
        "return [...document.querySelectorAll('.canvas')].every((one) =>"
        " one.clientWidth <= 360 && one.clientWidth > 250 &&"
        " one.querySelector('svg').getBoundingClientRect().width <= one.clientWidth + 1)"
    )
    WebDriverWait(page, 5).until(lambda _: page.execute_script(fits))
    assert page.execute_script("return document.documentElement.scrollWidth") <= 360
    assert page.execute_script("return window.innerWidth") == 360
    assert page.execute_script(
        "return [...document.querySelectorAll('.scroll')].every("
        "(one) => one.getBoundingClientRect().right <= 360)"
    )
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_prints_with_its_figures_in_light_colours(page: Any) -> None:
    pypdf = pytest.importorskip("pypdf")
    page.find_element(By.ID, "theme").click()
    page.execute_script(
        "window.addEventListener('beforeprint', () => {"
        "  window.printed = [...document.querySelectorAll('.canvas')].map((one) =>"
        "    [one.querySelector('.main-svg').clientWidth, one.layout.font.color]);"
        "  window.ground = getComputedStyle(document.documentElement).getPropertyValue('--ground');"
        "})"
    )
    made = page.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    pdf = pypdf.PdfReader(io.BytesIO(base64.b64decode(made["data"])))
    text = "".join(sheet.extract_text() for sheet in pdf.pages)
    assert len(pdf.pages) > 2
    for words in ("Summary", "What was analysed", "How alike are conversion matrices", "sha256"):
        assert words in text
    printed = page.execute_script("return window.printed")
    assert page.execute_script("return window.ground").strip() == "#ffffff"
    assert {ink for _, ink in printed} == {"#1a2129"}
    assert all(150 < width <= 680 for width, _ in printed)
    assert colours(page)[0] == "rgb(18, 23, 29)"  # the reader's own theme is back


def test_headings_and_figures_are_labelled(page: Any) -> None:
    levels = page.execute_script(
        "return [...document.querySelectorAll('h1,h2,h3')].map((one) => Number(one.tagName[1]))"
    )
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
    assert page.execute_script("return document.documentElement.lang") == "en"
    figures = page.find_elements(By.CSS_SELECTOR, ".canvas")
    assert all(one.get_attribute("role") == "img" for one in figures)
    assert all(len(one.get_attribute("aria-label")) > 40 for one in figures)
    assert page.execute_script(
        "const ids = [...document.querySelectorAll('[id]')].map((one) => one.id);"
        "return ids.length === new Set(ids).size"
    )


def test_hostile_names_stay_text(browser: Any, tmp_path: Path) -> None:
    from pages import HOSTILE_MODULE, write_hostile

    one, other = write_hostile(tmp_path)
    command = f"lora-lens report '{one}' </code><script>alert(3)</script>"
    out = write_report(one, tmp_path / "report.html", other, draws=5, command=command)
    browser.get_log("browser")
    browser.get(out.as_uri())
    assert browser.execute_script("return document.documentElement.dataset.ready") == "yes"
    assert browser.get_log("browser") == []
    assert browser.find_elements(By.CSS_SELECTOR, "body img") == []
    assert browser.execute_script("return document.querySelectorAll('script').length") == 4
    assert browser.find_elements(By.CSS_SELECTOR, "main i, main script") == []
    assert (
        browser.find_element(By.CSS_SELECTOR, "#module-0 h2").text
        == f"Module {HOSTILE_MODULE} of <i>one"
    )
    text = browser.find_element(By.ID, "details").text
    assert "<script>alert(2)</script>" in text
    assert "<script>alert(3)</script>" in text
    assert f"<b>{HOSTILE_MODULE}</b></script>" in text
    for canvas in browser.find_elements(By.CSS_SELECTOR, ".canvas"):
        assert "alert" not in canvas.get_attribute("innerHTML")
