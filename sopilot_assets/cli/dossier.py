"""`sopilot dossier`: dossiers built, listed and verified."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from sopilot_assets.at_first_use import at_first_use
from sopilot_assets.cli.known import KEYS
from sopilot_assets.cli.options import AS_JSON, HOME, STUDY, examples
from sopilot_assets.cli.output import say, show_rows, show_warning, stage
from sopilot_assets.dossier.pdf import print_pdf
from sopilot_assets.dossier.verifier.files import read_files
from sopilot_assets.dossier.verifier.report import report_lines
from sopilot_assets.dossier.verifier.signature import SignatureFault
from sopilot_assets.dossier.verifier.verify import verify_files
from sopilot_assets.errors import DossierError
from sopilot_assets.studies.claims import claims_carried, claims_of_headline

with at_first_use():
    from sopilot_assets.evidence import evidence_dossiers
    from sopilot_assets.evidence import study as studies

app = typer.Typer()

KEY = Annotated[
    str,
    typer.Option("--key", help="The name of the signing key.", show_default=True),
    KEYS,
]


@app.command(epilog=examples("sopilot dossier build spring", "sopilot dossier build spring --pdf"))
def build(
    study: STUDY,
    *,
    key: KEY = "dossier",
    pdf: Annotated[bool, typer.Option("--pdf", help="Print the page as PDF too, by Chromium.")] = False,
    home: HOME,
) -> None:
    """Build, sign and verify the dossier of a study from what its stations published."""
    with stage("Building the dossier"):
        opened = studies.Study.open(home, study)
        dossier, folder, archive = evidence_dossiers.publish_study_dossier(opened, key=key)
    for blocker in dossier.blockers:
        show_warning(f"{blocker.input}: {blocker.reason}. {blocker.remedy}")
    too_few = "" if dossier.summary.carried else ", too few people for a statement"
    say(f"Verdict: {dossier.verdict.replace('_', ' ')}{too_few}")
    for one in dossier.summary.claims:
        say(f"         {one.text.en}")
    say(f"Page:    {escape(str(folder / 'index.html'))}")
    say(f"Zip:     {escape(str(archive))}")
    if pdf:
        with stage("Printing the page"):
            printed = print_pdf(folder / "index.html", folder.with_name(f"{folder.name}.pdf"))
        say(f"PDF:     {escape(str(printed))}")


@app.command(
    epilog=examples(
        "sopilot dossier verify spring-1f3a9c2b7d04.zip --signer partner.pub",
        "sopilot dossier verify dossiers/spring/spring-1f3a9c2b7d04",
    )
)
def verify(
    dossier: Annotated[Path, typer.Argument(help="A dossier's folder or zip.", exists=True)],
    *,
    signer: Annotated[
        str | None,
        typer.Option(help="The key it has to be signed with: a public key, its file, or its fingerprint."),
    ] = None,
    no_signature: Annotated[bool, typer.Option("--no-signature", help="Do not ask for a signature.")] = False,
    as_json: AS_JSON = False,
) -> None:
    """Recompute a dossier's figures, check hashes, label chain and signature; exit code 1 if any is wrong.

    This runs the verifier of this installation, never the one inside the dossier.
    """
    if signer and Path(signer).is_file():
        signer = Path(signer).read_text(encoding="utf-8", errors="replace")
    try:
        outcome = verify_files(read_files(dossier), signer=signer, signature=not no_signature)
    except (OSError, ValueError, SignatureFault) as error:
        # a key that was mistyped is no fault of the dossier
        again = "" if isinstance(error, SignatureFault) else " Ask its sender for another copy."
        raise DossierError(f"{dossier}: cannot be verified ({error}).{again}") from error
    if as_json:
        sys.stdout.write(json.dumps(outcome.as_dict(), ensure_ascii=False, indent=1) + "\n")
    else:
        sys.stdout.write("\n".join(report_lines(outcome)) + "\n")
    if not outcome.ok:
        raise typer.Exit(1)


@app.command(name="list", epilog=examples("sopilot dossier list"))
def list_dossiers(*, home: HOME, as_json: AS_JSON = False) -> None:
    """List the dossiers of a home with their verdicts."""
    rows = [_row(path) for path in sorted(home.dossiers.glob("*/*/dossier.json"))]
    show_rows(
        rows,
        columns=("dossier", "study", "detector", "verdict", "people", "blockers"),
        empty="no dossier; `sopilot study run STUDY` makes one, or `sopilot dossier build STUDY`",
        as_json=as_json,
    )


def _row(path: Any) -> dict[str, str | int]:
    try:
        content = json.loads(path.read_bytes())
        claims = claims_of_headline(
            content["headline"], split=content["gate_split"], detector=content["detector"]
        )
        return {
            "dossier": content["dossier_id"],
            "study": content["study_id"],
            "detector": content["detector"],
            "verdict": content["verdict"],
            "people": "enough" if claims_carried(claims) else "too few for a statement",
            "blockers": len(content["readiness"]["blockers"]),
            "folder": str(path.parent),
        }
    except (ValueError, KeyError, TypeError) as error:
        raise DossierError(
            f"{path}: expected what a dossier says of itself, found {error}. Build it again."
        ) from error
