"""settings.yaml: the defaults without it, and every fault by line and field."""

from __future__ import annotations

import pytest

from sopilot_assets.errors import ConfigError
from sopilot_assets.settings import EmailSettings, Settings, WebhookSettings, load_settings, settings_path
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import publish_text


def test_without_a_file_the_defaults_hold(home: Home) -> None:
    settings_path(home).unlink(missing_ok=True)
    assert load_settings(home) == Settings()


def test_what_the_file_says_counts(home: Home) -> None:
    publish_text(
        settings_path(home),
        "alerts:\n  webhook: {url_env: HOOK}\n"
        "  email: {host: mail, sender: a@b.c, recipients: [d@e.f]}\ndisk: {warn_gib: 12}\n",
    )
    found = load_settings(home)
    assert found.alerts.webhook == WebhookSettings(url_env="HOOK")
    assert found.alerts.email == EmailSettings(host="mail", sender="a@b.c", recipients=("d@e.f",))
    assert (found.disk.warn_gib, found.disk.pause_gib) == (12, 2)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("disc: {}", "line 1, disc: expected one of alerts, freshness"),
        (
            "alerts:\n  webhook: {url_env: HOOK, tokn_env: TOKEN}",
            "line 2, alerts.webhook.tokn_env: expected one of url_env, token_env, sign_env, timeout_s; found",
        ),
        ("alerts: {repeat_after_hours: 0}", "alerts.repeat_after_hours: expected more than 0, found 0"),
        ("disk: {warn_gib: '10'}", "disk.warn_gib: expected a number, found '10'"),
        ("disk: {warn_gib: 1}", "disk: expected pause_gib <= resume_gib <= warn_gib, found 2, 4 and 1"),
        ("backup: {destination: here}", "backup.destination: expected an absolute path or a URL"),
        ("disk: {}\ndisk: {}", "line 2: disk: expected the field once"),
    ],
)
def test_a_fault_is_named_with_line_field_and_what_to_do(home: Home, text: str, fault: str) -> None:
    publish_text(settings_path(home), text + "\n")
    with pytest.raises(ConfigError) as refusal:
        load_settings(home)
    assert fault in str(refusal.value)
    assert "Correct the file" in str(refusal.value)


def test_a_secret_in_place_of_a_variable_s_name_is_not_shown(home: Home) -> None:
    publish_text(settings_path(home), "alerts: {webhook: {url_env: 'https://hooks.example/s3cret'}}\n")
    with pytest.raises(ConfigError, match="expected the name of an environment variable") as refusal:
        load_settings(home)
    assert "s3cret" not in str(refusal.value)
