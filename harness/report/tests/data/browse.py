"""Opens reports in headless Chromium as a person would: reads, filters, uses the keyboard, prints.

usage: browse.py CHROMIUM hostile REPORT.html FOLDER     the report of tests/data/hostile.jsonl; screenshots and a PDF go to FOLDER
       browse.py CHROMIUM any REPORT.html FOLDER         the report of any run in which something passed; a screenshot and a PDF go to FOLDER
       browse.py CHROMIUM sweep REPORT.html FOLDER       a report with a sweep of 2,000 points
       browse.py CHROMIUM index INDEX.html FOLDER        the page over all runs
       browse.py CHROMIUM large REPORT.html COUNT        a report of COUNT scenarios and one that was not run
"""

import pathlib
import sys

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

# Chromium must not look for updates, and its sandbox does not start as root.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Watched:
    """A page that remembers everything that a quiet page would not do."""

    def __init__(self, browser, report, **options):
        self.context = browser.new_context(offline=True, **options)
        self.page = self.context.new_page()
        self.trouble = []
        self.page.on("console", lambda message: self.trouble.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: (self.trouble.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", self.requested)
        self.url = pathlib.Path(report).resolve().as_uri()
        self.page.goto(self.url)

    def requested(self, request):
        if request.url != self.url and not request.url.startswith(f"{self.url}#"):
            self.trouble.append(f"request: {request.url}")

    def __enter__(self):
        return self.page

    def __exit__(self, kind, error, trace):
        self.context.close()
        if kind is None:
            same(self.trouble, [], "a quiet page")


def same(found, expected, what):
    if found != expected:
        raise AssertionError(f"{what}: found {found!r}, expected {expected!r}")
    print(f"ok: {what}")


def ready(page):
    page.wait_for_selector("html[data-ready]", timeout=60_000)


def texts(page, selector):
    return page.locator(selector).all_text_contents()


def focused(page):
    return page.evaluate("document.activeElement.textContent")


def no_barriers(page, where):
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}).response
    barriers = [(one["id"], [node["html"][:200] for node in one["nodes"]][:3]) for one in found["violations"]]
    same(barriers, [], f"nothing for axe to complain of, {where}")


def read(browser, report):
    with Watched(browser, report) as page:
        ready(page)
        same(page.title(), "Failed: 20260802T101530Z-01", "the title has the verdict")
        same(texts(page, "article h3 .badge"), ["fail", "fail", "error", "skip"], "failures first")
        same(texts(page, "#list tbody th button"), ["bad[ble]", "<b>evil</b>[uart]", "bench[uart]", "no-power", "good[uart]", "issue[uart]"], "the list has everything, failures first")
        same(page.locator("img, b, i, iframe").count(), 0, "what boards say makes no element")
    with Watched(browser, report, java_script_enabled=False) as page:
        same(page.locator("article .cause").first.is_visible(), True, "without scripts the causes are there")
        same(page.locator("noscript p").is_visible(), True, "without scripts the page says what is missing")


def use_filters(browser, report):
    with Watched(browser, report) as page:
        ready(page)
        rows = "#list tbody th button"
        page.select_option("#list-filter [name=verdict]", "pass")
        same(texts(page, rows), ["good[uart]", "issue[uart]"], "filter by verdict")
        page.select_option("#list-filter [name=verdict]", "")
        page.select_option("#list-filter [name=board]", "dk2")
        same(texts(page, rows), ["bad[ble]", "<b>evil</b>[uart]"], "filter by board")
        page.select_option("#list-filter [name=board]", "")
        page.fill("#list-filter [name=text]", "dfu-revert")
        same(texts(page, rows), ["bench[uart]"], "filter by requirement")
        same(page.locator("#list-count").text_content(), "1 scenario shown of 1 that match, 6 in all", "the count is told")
        page.fill("#list-filter [name=text]", "")
        page.select_option("#list-filter [name=order]", "name")
        same(texts(page, rows)[0], "<b>evil</b>[uart]", "order by name")

        page.click("#open-log")
        page.wait_for_selector("#log-panel li")
        panel = page.locator("#log-panel")
        line = "#log-panel li span:nth-child({})".format
        same(set(texts(page, line(4))), {"dk1", "dk2", ""}, "the log has all boards, and what was before")
        panel.locator("[name=board]").select_option("dk2")
        same(set(texts(page, line(4))), {"dk2"}, "filter of the log by board")
        panel.locator("[name=core]").select_option("net")
        same(set(texts(page, line(5))), {"net is up"}, "filter of the log by core")
        panel.locator("[name=core]").select_option("")
        panel.get_by_role("checkbox", name="console").uncheck()
        same("console" in texts(page, line(2)), False, "filter of the log by kind")
        panel.locator("[name=text]").fill("power cut")
        same(texts(page, line(5)), ["power cut", "power cut"], "filter of the log by text")


def open_scenarios(browser, report, folder):
    with Watched(browser, report, viewport={"width": 1200, "height": 900}) as page:
        ready(page)
        page.keyboard.press("Tab")
        same(focused(page), "Skip to the report", "the first stop of the keyboard")
        page.keyboard.press("Enter")
        same(page.evaluate("document.activeElement.id"), "main", "the way past the links")
        page.locator("#list tbody th button").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(".panel .log li")
        same(page.evaluate("document.activeElement.getAttribute('aria-expanded')"), "true", "a scenario is opened from the keyboard")
        page.keyboard.press("Tab")
        same(page.evaluate("getComputedStyle(document.activeElement).outlineStyle"), "solid", "what has the focus shows it")
        panel = page.locator(".panel").first
        same(panel.locator("svg[role=img][aria-label]").count(), 4, "timeline, upload and two memories have a name for who cannot see them")
        same(
            panel.locator("figcaption").all_text_contents(),
            ["update.app: 36,000 bytes in 320 ms, 100.0 kB/s on average",
             "Flash of the app core: 22 pages of 4,096 bytes not as programmed",
             "Flash of the net core: 0 pages of 2,048 bytes not as programmed"],
            "the plots say in words what they show")
        same(panel.locator("svg rect.changed").count() > 4, True, "changed pages are in the map")
        panel.locator("details summary").click()
        where = panel.locator("details tbody tr td:nth-child(2)").all_text_contents()
        same(where, ["app.primary", "app.primary", "app.secondary", "app.secondary, with its trailer"], "changed pages by partition")
        same([text for text in panel.locator("li span:nth-child(4)").all_text_contents() if "upload, 9" in text],
             ["⇄ image upload, 9 packets, 4500 bytes, until 1.550 s"], "an upload is one line of the log")
        page.screenshot(path=folder / "light.png", full_page=True)
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Enter")
        same(page.locator(".panel").count(), 0, "and closed again")

        page.get_by_role("button", name="Open all").click()
        page.wait_for_function("document.querySelectorAll('.panel').length === 6")
        same(page.locator("img, .panel b, .panel i").count(), 0, "what boards say makes no element in the details either")
        same("javascript:alert(3)" in page.locator(".panel").nth(1).text_content(), True, "and is there as text")
        no_barriers(page, "everything open, light")
        page.emulate_media(color_scheme="dark")
        no_barriers(page, "everything open, dark")
        page.screenshot(path=folder / "dark.png", full_page=True)
        page.set_viewport_size({"width": 360, "height": 800})
        same(page.evaluate("document.documentElement.scrollWidth <= 360"), True, "fits a narrow screen")
        page.emulate_media(media="print")
        same(page.locator("nav").is_visible(), False, "links are not printed")
        same(page.locator("article .cause").first.is_visible(), True, "causes are printed")
        page.evaluate("addEventListener('beforeprint', () => { window.opened = document.querySelectorAll('details[open]').length })")
        page.pdf(path=folder / "report.pdf", print_background=False)
        pdf = (folder / "report.pdf").read_bytes()
        same(page.evaluate("[opened, document.querySelectorAll('details:not([open])').length]"), [5, 5], "what is closed is printed open, and closed again")
        same((pdf[:5], pdf.count(b"/Type /Page\n") > 2), (b"%PDF-", True), "prints to PDF")


def browse_many(browser, report, count):
    with Watched(browser, report) as page:
        ready(page)
        rows = page.locator("#list tbody th button")
        same(rows.count(), 200, "a page of a long list is shown")
        same(page.locator("#list-count").text_content(), f"200 scenarios shown of {count + 1:,} that match, {count + 1:,} in all", "the rest is counted")
        page.fill("#list-filter [name=text]", f"#{count - 1}")
        same(rows.count(), 1, "the last scenario is found")
        rows.first.click()
        page.wait_for_selector(".panel .log li")
        same(page.locator(".panel .log li").count() > 10, True, "and opened")
        page.click("#open-log")
        page.wait_for_selector("#log-panel li", timeout=120_000)
        same(page.locator("#log-panel li").count(), 500, "a page of the log is shown")
        page.locator("#log-panel [name=text]").fill("power cut")
        same(page.locator("#log-panel li").count(), 500, "the log is filtered")
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
        took = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
        print(f"{count} scenarios: {pathlib.Path(report).stat().st_size / 1e6:.1f} MB, parsed in {took / 1000:.1f} s, "
              f"{metrics['JSHeapUsedSize'] / 1e6:.0f} MB of heap and {metrics['Nodes']:.0f} nodes with the whole log open")


def read_sweep(browser, report, folder):
    """A run with a flaky pass and a sweep of 2,000 points of which two are bad."""
    with Watched(browser, report, viewport={"width": 1200, "height": 900}) as page:
        ready(page)
        rows = page.locator("#list tbody th button")
        page.select_option("#list-filter [name=verdict]", "flaky")
        same(rows.all_text_contents(), ["passes"], "flaky passes are a choice of the filter")
        rows.first.click()
        page.wait_for_selector(".panel")
        same("Attempt 1: error on dk1: probe `0501` <silent>" in page.locator(".panel").text_content(), True, "the attempt before is told")
        figure = page.locator(".panel figure").first
        caption = figure.locator("figcaption").text_content()
        same(caption, "2,000 cut points visited of 2,000; 1 of them the first of several in a row; 2 bad; strategy every; by flash operation", "the map says in words what it shows")
        same(figure.locator("svg rect.fail").count(), 2, "bad points stand out")
        same(100 < figure.locator("svg rect.pass").count() < 700, True, "many points are few bars")
        same(figure.locator("tbody code").all_text_contents(),
             ["boot.app-erase.37.before", "dfu-hil run --filter 'passes' --cut boot.app-erase.37.before",
              "boot.app-write.900.before+boot.app-write.3.after", "dfu-hil run --filter 'passes' --cut boot.app-write.900.before+boot.app-write.3.after"],
             "each bad point has the command that repeats it")
        no_barriers(page, "a sweep is open")
        page.screenshot(path=folder / "sweep.png", full_page=True)
        page.pdf(path=folder / "sweep.pdf")
        same((folder / "sweep.pdf").read_bytes()[:5], b"%PDF-", "prints to PDF")


def read_index(browser, report, folder):
    """The page over all runs: without scripts, in both schemes, narrow, printed."""
    with Watched(browser, report, viewport={"width": 1200, "height": 900}, java_script_enabled=False) as page:
        same(page.locator("#look article").count() > 0, True, "what needs a look is told without scripts")
        page.screenshot(path=folder / "index.png", full_page=True)
    with Watched(browser, report, viewport={"width": 1200, "height": 900}) as page:
        same(page.locator("img, b, i, script").count(), 0, "what boards say makes no element")
        same(page.locator("svg").count() > 4, True, "trends are drawn")
        no_barriers(page, "all runs, light")
        page.emulate_media(color_scheme="dark")
        no_barriers(page, "all runs, dark")
        page.screenshot(path=folder / "index-dark.png", full_page=True)
        page.set_viewport_size({"width": 360, "height": 800})
        same(page.evaluate("document.documentElement.scrollWidth <= 360"), True, "fits a narrow screen")
        page.pdf(path=folder / "index.pdf")
        same((folder / "index.pdf").read_bytes()[:5], b"%PDF-", "prints to PDF")


def browse_any(browser, report, folder):
    with Watched(browser, report, viewport={"width": 1200, "height": 900}) as page:
        ready(page)
        buttons = page.locator("#list tbody th button")
        same(buttons.count() > 0, True, "scenarios are listed")
        for number in range(min(3, buttons.count())):
            buttons.nth(number).click()
            page.wait_for_function(f"document.querySelectorAll('.panel').length === {number + 1}")
        same(page.locator(".panel svg").count() > 0, True, "scenarios are opened")
        page.click("#open-log")
        page.wait_for_selector("#log-panel li", timeout=120_000)
        no_barriers(page, "three scenarios and the log open")
        page.screenshot(path=folder / "any.png", full_page=True)
        page.pdf(path=folder / "any.pdf")
        same((folder / "any.pdf").read_bytes()[:5], b"%PDF-", "prints to PDF")


def main():
    chromium, what, report, last = sys.argv[1:]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        if what == "hostile":
            folder = pathlib.Path(last)
            folder.mkdir(parents=True, exist_ok=True)
            read(browser, report)
            use_filters(browser, report)
            open_scenarios(browser, report, folder)
        elif what in ("sweep", "index"):
            folder = pathlib.Path(last)
            folder.mkdir(parents=True, exist_ok=True)
            {"sweep": read_sweep, "index": read_index}[what](browser, report, folder)
        elif what == "any":
            folder = pathlib.Path(last)
            folder.mkdir(parents=True, exist_ok=True)
            browse_any(browser, report, folder)
        else:
            browse_many(browser, report, int(last))
        browser.close()


main()
