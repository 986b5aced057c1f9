"""One signed dossier for all tests of this folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from sopilot_assets.dossier.inputs import DossierInputs
from sopilot_assets.dossier.package import Dossier, build_dossier
from sopilot_assets.dossier.signing import SigningKey, new_key
from sopilot_assets_tests.dossier.made_up import study_inputs


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return new_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def inputs() -> DossierInputs:
    return study_inputs()


@pytest.fixture(scope="session")
def dossier(inputs: DossierInputs, key: SigningKey) -> Dossier:
    return build_dossier(inputs, key)


@pytest.fixture(scope="session")
def files(dossier: Dossier) -> Mapping[str, bytes]:
    return dossier.files


@pytest.fixture
def folder(dossier: Dossier, tmp_path: Path) -> Path:
    """The dossier unpacked."""
    for name, data in dossier.files.items():
        path = tmp_path / dossier.name / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / dossier.name
