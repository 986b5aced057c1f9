"""`install.sh`: what it refuses, and how versions take turns."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from installer import bundle as bundles

pytestmark = pytest.mark.whole

INSTALL = Path(bundles.__file__).with_name("install.sh")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as it is handed over, but for its wheels."""
    made = tmp_path / "sopilot-0.1.0"
    (made / "wheels").mkdir(parents=True)
    shutil.copy(INSTALL, made)
    (made / "VERSION").write_text("0.1.0\n", encoding="utf-8")
    (made / "PYTHON").write_text(bundles.this_python() + "\n", encoding="utf-8")
    bundles.write_sums(made)
    return made


def install(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    prefix = ["--prefix", str(folder.parent / "opt")]
    return subprocess.run(
        [str(folder / "install.sh"), *prefix, *arguments],
        capture_output=True,
        text=True,
        check=False,
        umask=0o077,  # as root has it on many machines
    )


def refusal(folder: Path, *arguments: str) -> str:
    done = install(folder, "--python", sys.executable, *arguments)
    assert done.returncode == 1
    assert not (folder.parent / "opt" / "current").exists()
    return done.stderr


def installed(folder: Path, version: str) -> None:
    """A version that is there, without packages."""
    made = folder.parent / "opt" / "versions" / version
    (made / "bin").mkdir(parents=True)
    (made / ".complete").touch()


def test_a_changed_file_is_refused_before_anything_is_made(folder: Path) -> None:
    (folder / "VERSION").write_text("0.1.0 \n", encoding="utf-8")
    assert "VERSION: FAILED" in refusal(folder)
    assert not (folder.parent / "opt").exists()


def test_a_missing_file_is_refused(folder: Path) -> None:
    (folder / "wheels" / "one.whl").write_bytes(b"x")
    bundles.write_sums(folder)
    (folder / "wheels" / "one.whl").unlink()
    assert "wheels/one.whl" in refusal(folder)


def test_a_package_that_the_list_does_not_name_is_refused(folder: Path) -> None:
    """pip would take the newest of a name, whoever made it."""
    (folder / "wheels" / "numpy-99-py3-none-any.whl").write_bytes(b"x")
    said = refusal(folder)
    assert "wheels/numpy-99-py3-none-any.whl: expected only files that SHA256SUMS names" in said
    assert not (folder.parent / "opt").exists()


def test_no_module_of_the_folder_it_is_called_in_is_run_before_the_signature_is_checked(folder: Path) -> None:
    for module in ("platform", "ensurepip", "venv"):
        (folder / f"{module}.py").write_text("open('it_ran', 'w')\n", encoding="utf-8")
    called = [str(folder / "install.sh"), "--python", sys.executable, "--signers", "nobody"]
    done = subprocess.run(called, capture_output=True, text=True, check=False, cwd=folder)
    assert "expected the signature of this folder" in done.stderr
    assert not (folder / "it_ran").exists()


def test_another_python_is_refused_with_the_one_that_is_wanted(folder: Path) -> None:
    (folder / "PYTHON").write_text("3.9 riscv64\n", encoding="utf-8")
    bundles.write_sums(folder)
    said = refusal(folder)
    assert "expected Python 3.9 riscv64" in said
    assert f"found {bundles.this_python()}" in said


def test_a_python_that_is_not_there_is_named(folder: Path) -> None:
    done = install(folder, "--python", "python-of-nobody")
    assert done.returncode == 1
    assert "python-of-nobody: expected Python" in done.stderr


def test_a_signature_is_asked_for_and_checked(folder: Path, tmp_path: Path) -> None:
    for name in ("maker", "stranger"):
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(tmp_path / name)]
        subprocess.run(make, check=True)
    signers = tmp_path / "signers"
    signers.write_text(f"maker {(tmp_path / 'maker.pub').read_text(encoding='utf-8')}", encoding="utf-8")
    asked = ("--signers", str(signers))
    assert "expected the signature of this folder, found none" in refusal(folder, *asked)
    bundles.sign(folder, tmp_path / "stranger")
    assert "signed by nobody that" in refusal(folder, *asked)
    (folder / "SHA256SUMS.sig").unlink()
    bundles.sign(folder, tmp_path / "maker")
    installed(folder, "0.1.0")
    done = install(folder, "--python", sys.executable, *asked)
    assert (done.returncode, "Signed by maker" in done.stdout) == (0, True), done.stderr
    (folder / "VERSION").write_text("0.1.1\n", encoding="utf-8")
    bundles.write_sums(folder)
    assert "the signature does not fit" in install(folder, "--python", sys.executable, *asked).stderr


def test_versions_take_turns_and_what_is_not_installed_is_refused(folder: Path) -> None:
    prefix = folder.parent / "opt"
    for version in ("0.1.0", "0.2.0"):
        installed(folder, version)
    (prefix / "versions" / "0.3.0").mkdir()  # interrupted
    for version in ("0.2.0", "0.1.0"):
        assert install(folder, "--activate", version).returncode == 0
        assert (prefix / "current").readlink() == Path("versions") / version
    done = install(folder, "--activate", "0.3.0")
    assert done.returncode == 1
    assert "0.3.0: expected an installed version, found none" in done.stderr
    assert (prefix / "current").readlink() == Path("versions/0.1.0")


def test_a_version_may_be_installed_beside_the_one_that_runs(folder: Path) -> None:
    prefix = folder.parent / "opt"
    installed(folder, "0.0.9")
    installed(folder, "0.1.0")
    assert install(folder, "--activate", "0.0.9").returncode == 0
    done = install(folder, "--python", sys.executable, "--no-activate")
    assert done.returncode == 0, done.stderr
    assert "install.sh --activate 0.1.0" in done.stdout
    assert (prefix / "current").readlink() == Path("versions/0.0.9")


def test_an_interrupted_installation_is_made_anew(folder: Path) -> None:
    left = folder.parent / "opt" / "versions" / "0.1.0" / "half.txt"
    left.parent.mkdir(parents=True)
    left.touch()
    done = install(folder, "--python", sys.executable)
    assert done.returncode != 0
    assert "sopilot-assets" in done.stderr  # no wheels here
    assert not left.exists()
    assert left.parent.stat().st_mode & 0o777 == 0o755, "services of another account run it"
    assert not (folder.parent / "opt" / "current").exists()


def test_of_several_at_once_each_waits_for_the_other(folder: Path) -> None:
    prefix = folder.parent / "opt"
    for version in ("0.1.0", "0.2.0"):
        installed(folder, version)
    command = [str(folder / "install.sh"), "--prefix", str(prefix), "--activate"]
    several = [
        subprocess.Popen([*command, version], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for version in ("0.1.0", "0.2.0") * 15
    ]
    told = [one.communicate() for one in several]
    assert [one.returncode for one in several] == [0] * len(several), told
    assert any("Waiting for another install.sh" in output for output, _ in told)
    assert (prefix / "current" / ".complete").exists()
