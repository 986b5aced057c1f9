"""`sopilot web serve` says where to open the page only where it can be opened."""

from __future__ import annotations

import socket

from sopilot_assets.store.home import Home
from sopilot_assets_tests.cli.running import sopilot


def test_a_port_that_is_taken_is_an_error_before_an_address_is_named(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        found = sopilot(home, "web", "serve", "--port", port, exit_code=1)
    assert "Open http" not in found.stdout
    assert f"127.0.0.1:{port}" in found.stderr
    assert "--port" in found.stderr
