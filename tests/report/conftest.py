"""Handmade work directories, and a headless Chromium; nothing is downloaded.

Chromium is driven over WebDriver's plain HTTP.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mmdefect.evaluation.evidence import make_evidence
from mmdefect.report.evaluation import EvaluatedImage
from mmdefect.report.results import image_result

ARGUMENTS = [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-quic',
    '--no-first-run',
    '--hide-scrollbars',
]


class Browser:
    """One browser session."""

    def __init__(self, port: int, profile: Path, chromium: str) -> None:
        self._root = f'http://127.0.0.1:{port}'
        # A proxy of the machine must not stand between us and the local driver.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        options = {'args': [*ARGUMENTS, f'--user-data-dir={profile}'], 'binary': chromium}
        always = {
            'browserName': 'chrome',
            'goog:chromeOptions': options,
            'goog:loggingPrefs': {'browser': 'ALL', 'performance': 'ALL'},
        }
        answer = self._call('POST', '/session', {'capabilities': {'alwaysMatch': always}})
        self._session = f'/session/{answer["sessionId"]}'

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._root + path, data, method=method)
        request.add_header('Content-Type', 'application/json')
        try:
            with self._opener.open(request, timeout=60) as reply:
                return json.load(reply)['value']
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()[:500]) from error

    def cdp(self, command: str, **parameters: Any) -> Any:
        body = {'cmd': command, 'params': parameters}
        return self._call('POST', f'{self._session}/goog/cdp/execute', body)

    def open(self, page: Path) -> None:
        self._call('POST', f'{self._session}/url', {'url': page.resolve().as_uri()})

    def run(self, script: str, *args: Any) -> Any:
        body = {'script': script, 'args': list(args)}
        return self._call('POST', f'{self._session}/execute/sync', body)

    def view(self, width: int, height: int, dark: bool = False) -> None:
        self.cdp(
            'Emulation.setDeviceMetricsOverride',
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}
        self.cdp('Emulation.setEmulatedMedia', features=[scheme])

    def screenshot(self, target: Path) -> None:
        code = self.cdp('Page.captureScreenshot', format='png', captureBeyondViewport=True)
        target.write_bytes(base64.b64decode(code['data']))

    def console(self) -> list[str]:
        """Messages of the console since the last call, problems only."""
        entries = self._call('POST', f'{self._session}/se/log', {'type': 'browser'})
        return [f'{e["level"]}: {e["message"]}' for e in entries if e['level'] != 'INFO']

    def requests(self) -> list[str]:
        """Addresses asked for since the last call, data URIs left out."""
        entries = self._call('POST', f'{self._session}/se/log', {'type': 'performance'})
        messages = [json.loads(entry['message'])['message'] for entry in entries]
        urls = [
            message['params']['request']['url']
            for message in messages
            if message['method'] == 'Network.requestWillBeSent'
        ]
        return [url for url in urls if not url.startswith('data:')]

    def quit(self) -> None:
        with contextlib.suppress(RuntimeError, OSError):
            self._call('DELETE', self._session)


def _write_run(
    folder: Path, classes: list[str], images: list[dict], changes: dict[str, Any] | None = None
) -> dict[str, Any]:
    results = [image_result(EvaluatedImage(**image)) for image in images]
    content = {
        'format': 'mmdefect-evaluation/2',
        'created': '2026-01-02T03:04:05+00:00',
        'epoch': 3,
        'checkpoint': 'epoch_3.pth',
        'config': None,
        **make_evidence(results, classes, max_dets=100),
        **(changes or {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'evaluation.json').write_text(json.dumps(content), encoding='utf-8')
    return content


@pytest.fixture
def add_parts() -> Callable[[Path, str], dict[str, Any]]:
    """Put numbers per part into an evaluation: those of its images."""

    def add(work_dir: Path, merge: str) -> dict[str, Any]:
        path = work_dir / 'evaluation.json'
        content = json.loads(path.read_text(encoding='utf-8'))
        parts = {key: content[key] for key in ('metrics', 'operating', 'score_table')}
        content['parts'] = {**parts, 'merge': merge, 'images_total': 2}
        path.write_text(json.dumps(content), encoding='utf-8')
        return content

    return add


@pytest.fixture(scope='session')
def write_run() -> Callable[..., dict[str, Any]]:
    """``write_run(folder, classes, images, changes=None)``: a work directory with an evaluation.

    ``images`` are the rows of ``evaluation.json``; the measures are computed from them, then
    ``changes`` replaces keys. Returns the content.
    """
    return _write_run


@pytest.fixture(scope='session')
def write_image() -> Callable[..., Path]:
    """``write_image(path, size=(60, 40), seed=0)``: a grey image of noise."""

    def write(path: Path, size: tuple[int, int] = (60, 40), seed: int = 0) -> Path:
        pixels = np.random.default_rng(seed).integers(60, 120, (size[1], size[0], 3), np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode('.png', pixels)[1].tobytes())
        return path

    return write


@pytest.fixture
def browser(chromium: Browser) -> Browser:
    """The browser, with nothing of earlier tests in its logs."""
    chromium.console()
    chromium.requests()
    return chromium


@pytest.fixture(scope='session')
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    binary = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser'))), None)
    driver = shutil.which('chromedriver')
    if binary is None or driver is None:
        pytest.skip('needs chromium and chromedriver (apt-get install chromium chromium-driver)')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp('browser')
    process = subprocess.Popen(
        [driver, f'--port={port}', f'--log-path={folder / "driver.log"}'],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(150):
            with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', port), 1):
                break
            time.sleep(0.1)
        session = Browser(port, folder / 'profile', binary)
        # The page a new browser shows asks for its own parts; let that pass before a test looks.
        session.open(folder)
        session.run('return document.readyState')
        session.console()
        session.requests()
        yield session
        session.quit()
    finally:
        process.terminate()
        process.wait(timeout=20)
