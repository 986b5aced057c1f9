"""`sopilot score deliver` sends results to other programs, or says why it could not."""

from __future__ import annotations

from pathlib import Path

import pytest

from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.setting_up import prepare_home
from sopilot_assets_tests.cli.running import rows, sopilot
from sopilot_assets_tests.upkeep.alerts.receivers import webhook_receiver
from sopilot_assets_tests.upkeep.results.made_up import NOW, key_of, one_judged


def test_results_are_sent_now_and_channels_can_be_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.at(tmp_path)
    prepare_home(home)
    assert "names no channel" in sopilot(home, "score", "deliver", "--test").output
    assert "0 results delivered" in sopilot(home, "score", "deliver").output
    named = f"results: {{webhook: {{url_env: HOOK}}, since: {NOW.isoformat()}}}"
    (tmp_path / "settings.yaml").write_text(named, "utf-8")
    one_judged(home, 1, minutes=1)
    with webhook_receiver() as hook:
        monkeypatch.setenv("HOOK", hook.url)
        assert rows(home, "score", "deliver", "--test") == [
            {"channel": "webhook", "ok": True, "answer": "HTTP 200"}
        ]
        hook.answers = [410]
        (failed,) = rows(home, "score", "deliver", exit_code=1)
        assert (failed["recording"], failed["answer"]) == (key_of(1), "HTTP 410 Gone")
        assert "1 results delivered, 0 wait" in sopilot(home, "score", "deliver").output
        assert [body["event"] for _, body in hook.posts] == ["test", "result.decided", "result.decided"]
    monkeypatch.delenv("HOOK")
    (row,) = rows(home, "score", "deliver", "--test", exit_code=1)
    assert "expected the webhook's address" in str(row["answer"])
