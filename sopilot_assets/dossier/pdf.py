"""The page of a dossier as PDF, printed by an installed Chromium.

A PDF holds the time it was made, so it lies beside the dossier and is not part of what is signed.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from sopilot_assets.errors import DossierError
from sopilot_assets.processes.posix.running import end_group, start
from sopilot_assets.store.publish import publish_bytes, scratch_folder

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
_SECONDS: Final = 180.0
_MAGIC: Final = b"%PDF-"


def print_pdf(page: Path, target: Path) -> Path:
    """Print the page to ``target``; returns it.

    Raises `DossierError` where no Chromium is installed or it prints nothing.
    """
    program = installed_browser()
    if program is None:
        raise DossierError(
            f"PDF: expected one of {', '.join(BROWSERS)} to be installed, found none. Install Chromium, or "
            f"print {page.name} from any browser."
        )
    with scratch_folder(target.parent) as scratch:
        made = scratch / "page.pdf"
        command = [
            program,
            "--headless",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            f"--user-data-dir={scratch / 'profile'}",
            "--no-pdf-header-footer",
            f"--print-to-pdf={made}",
            page.absolute().as_uri(),
        ]
        done = _run(command)
        if not made.exists() and b"sandbox" in done.stderr.lower():
            # as root, or without user namespaces, Chromium has no sandbox; the page is ours, without scripts
            done = _run([*command[:1], "--no-sandbox", *command[1:]])
        data = made.read_bytes() if made.exists() else b""
    if not data.startswith(_MAGIC):
        told = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise DossierError(
            f"PDF: {Path(program).name} printed nothing ({told[-1] if told else 'no message'}). Print "
            f"{page.name} "
            "from a browser instead."
        )
    publish_bytes(target, data)
    return target


def installed_browser() -> str | None:
    """The path of an installed Chromium; None where there is none."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def _run(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    # in a session of its own: what Chromium starts (zygotes, GPU process) must end with it
    with start(command, own_group=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            _, stderr = process.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise DossierError(f"PDF: {Path(command[0]).name} did not end in {_SECONDS:.0f} s.") from error
        finally:
            end_group(process.pid)
    return subprocess.CompletedProcess(command, process.returncode, b"", stderr)
