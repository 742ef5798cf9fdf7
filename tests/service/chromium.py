"""A real browser: the machine's own Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for a module's tests; skips them where the machine has none."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"no browser to look at the page with: none of {', '.join(NAMES)} is installed")
    with sync_playwright() as playwright:
        # a container's root has no sandbox, and its /dev/shm may be small
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


class Visit:
    """A page that was opened, and what it did that it should not have done."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.origin = origin
        self.page: Page = context.new_page()
        self.page.set_default_timeout(20_000)
        self.complaints: list[str] = []
        self.expected: set[str] = set()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", self._asked)

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning") and not any(
            each in message.text for each in self.expected
        ):
            self.complaints.append(f"{message.type}: {message.text}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(f"{self.origin}/"):
            self.complaints.append(f"request to {request.url}")

    def open(self, address: str = "") -> Page:
        """Open the page at what stands after its #."""
        self.page.goto(f"{self.origin}/{address}")
        return self.page

    def picture(self, name: str, folder: Path) -> None:
        """Save what is seen; in RETRIEVAL_SCREENSHOTS where that is set."""
        kept = Path(os.environ.get("RETRIEVAL_SCREENSHOTS", folder))
        kept.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=kept / f"{name}.png", animations="disabled")
