"""Where units and what belongs to them lie, and how they are written, compared and removed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sopilot_assets.errors import StoreError
from sopilot_assets.store.publish import publish_text
from sopilot_assets.upkeep.services.facts import Part, ServiceFacts
from sopilot_assets.upkeep.services.units import CLOCK, MARK, TARGET, facts_of, render, unit_of

_ALL: Final = (*(unit_of(part) for part in Part), f"{CLOCK}.timer", f"{CLOCK}.service", TARGET)
_KEPT_DAYS: Final = 10


@dataclass(frozen=True, slots=True)
class Place:
    """Folders for the files of one installation; ``accounts`` is None for a user's own systemd."""

    units: Path
    environment_file: Path
    tidying: Path
    accounts: Path | None

    @classmethod
    def of_system(cls, root: Path = Path("/")) -> Place:
        """The system's; below another ``root`` for a machine that does not run yet."""
        etc = root / "etc"
        return cls(
            etc / "systemd" / "system",
            etc / "sopilot" / "sopilot.env",
            etc / "tmpfiles.d" / "sopilot.conf",
            etc / "sysusers.d" / "sopilot.conf",
        )

    @classmethod
    def of_user(cls, environment: Mapping[str, str] = os.environ) -> Place:
        """That of whoever calls."""
        config = Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        return cls(
            config / "systemd" / "user",
            config / "sopilot" / "sopilot.env",
            config / "user-tmpfiles.d" / "sopilot.conf",
            None,
        )

    def before(self) -> ServiceFacts | None:
        """The facts of what is installed here; None where nothing is."""
        target = self.units / TARGET
        return facts_of(target.read_text("utf-8")) if target.exists() else None

    def files(self, facts: ServiceFacts) -> dict[Path, str]:
        """Every file that belongs to an installation, but for the secrets."""
        units = render(facts, str(self.environment_file))
        made = {self.units / name: text for name, text in units.items()}
        made[self.tidying] = f"{MARK}\ne %C/sopilot/tmp - - - {_KEPT_DAYS}d\n"
        if self.accounts is not None and facts.account is not None:
            made[self.accounts] = account_text(facts.account)
        return made

    def changed(self, facts: ServiceFacts) -> list[Path]:
        """Files that are not as this version would write them, and units that it would not write at all."""
        wanted = self.files(facts)
        differ = [path for path, text in wanted.items() if _text(path) != text]
        return [*differ, *(path for path in self.ours() if path not in wanted)]

    def refuse_others(self, facts: ServiceFacts) -> None:
        """Raise ``StoreError`` for a file of one of these names that somebody else wrote."""
        for path in self.files(facts):
            if path.exists() and not _is_ours(path):
                raise StoreError(
                    f"{path}: expected no file, or one that `sopilot service install` wrote; found another "
                    "one. Move it away, then run the same command again."
                )

    def write(self, facts: ServiceFacts) -> list[Path]:
        """Write what differs and remove our units that are not wanted any more; returns what changed."""
        wanted, changed = self.files(facts), self.changed(facts)
        for path in changed:
            if path in wanted:
                publish_text(path, wanted[path])
            else:
                path.unlink()
        return changed

    def offer_secrets(self, names: tuple[str, ...]) -> bool:
        """Make the file that secrets are read from, with a line for each variable, unless it is there; its
        owner alone may read it. Returns whether it was made.
        """
        self.environment_file.parent.mkdir(parents=True, exist_ok=True)
        try:
            end = os.open(self.environment_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return False
        with os.fdopen(end, "w", encoding="utf-8") as file:
            file.write(secrets_text(names))
        return True

    def ours(self) -> list[Path]:
        """The files that install wrote and that are there; last the target, by which the others are found."""
        places = [self.tidying] if self.accounts is None else [self.tidying, self.accounts]
        return [*(path for path in places if _is_ours(path)), *self.our_units()]

    def our_units(self) -> list[Path]:
        """The units among them."""
        return [path for path in (self.units / name for name in _ALL) if _is_ours(path)]

    def unwanted(self, facts: ServiceFacts) -> list[Path]:
        """Units that install wrote and would not write any more."""
        wanted = self.files(facts)
        return [path for path in self.our_units() if path not in wanted]

    def remove(self) -> tuple[list[Path], list[Path]]:
        """Remove what install wrote; returns what went, and what stays since somebody changed or added it:
        secrets, and the folders of `systemctl edit`.
        """
        secrets, gone = self.environment_file, self.ours()
        if _is_ours(secrets) and not _given(secrets):
            gone.insert(0, secrets)
        for path in gone:
            path.unlink()
        if secrets in gone and not any(secrets.parent.iterdir()):
            secrets.parent.rmdir()
        own = [self.units / f"{name}.d" for name in _ALL]
        return gone, [path for path in (secrets, *own) if path.exists()]


def account_text(account: str) -> str:
    """What systemd-sysusers makes the account by. Its folder is the cache of the services, so that commands
    typed as it (`sudo -u`) have one too: what is compiled is kept there.
    """
    return f'{MARK}\nu {account} - "services of sopilot" /var/cache/sopilot\n'


def secrets_text(names: tuple[str, ...]) -> str:
    """The file of secrets before anybody has filled it in."""
    lines = [
        MARK.replace("replaces", "leaves").replace("this file", "it alone once it is there"),
        "# Secrets that settings.yaml names; docs/services.md says more. After a change:",
        "# systemctl restart sopilot.target",
        *(f"#{name}=" for name in names),
    ]
    return "\n".join(lines) + "\n"


def _given(secrets: Path) -> bool:
    """Whether somebody has filled the file in."""
    lines = map(str.strip, secrets.read_text("utf-8").splitlines())
    return any(line and not line.startswith("#") for line in lines)


def _is_ours(path: Path) -> bool:
    return (_text(path) or "").startswith(MARK.partition(",")[0])


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
