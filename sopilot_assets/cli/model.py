"""`sopilot model`: the embedding models of a home."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sopilot_assets.cli.options import AS_JSON, HOME, examples
from sopilot_assets.cli.output import say, show_rows, stage
from sopilot_assets.embedding.model_states import model_states
from sopilot_assets.embedding.models import preload as copy
from sopilot_assets.embedding.models import verify as check

app = typer.Typer()


@app.command(name="list", epilog=examples("sopilot model list"))
def list_models(*, home: HOME, as_json: AS_JSON = False) -> None:
    """List the models: whether each is there, and which tasks ask for it."""
    rows = [
        {"model": one.name, "state": one.state, "tasks": ", ".join(one.tasks) or None}
        for one in model_states(home)
    ]
    show_rows(rows, columns=("model", "state", "tasks"), as_json=as_json)


@app.command(epilog=examples("sopilot model preload ~/downloads/vjepa2-vitl"))
def preload(
    source: Annotated[Path, typer.Argument(help="A folder with config.json and *.safetensors of V-JEPA 2.")],
    *,
    home: HOME,
) -> None:
    """Copy a V-JEPA 2 model into the home, with the hash of every file; nothing is downloaded."""
    with stage("Copying the model"):
        manifest = copy(source, home)
    say(f"{manifest.name}: {len(manifest.files)} files copied, digest {manifest.digest()[:12]}")
    say("Next: `sopilot model verify vjepa2`, then `embedder: vjepa2` in the task file.")


@app.command(
    epilog=examples("sopilot model verify", "sopilot model verify vjepa2 --device cuda --precision fp16")
)
def verify(
    name: Annotated[
        Literal["lite0_box", "lite0_flow", "vjepa2", "color_motion"], typer.Argument(help="Which one.")
    ] = "lite0_box",
    *,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where vjepa2 runs.")] = "auto",
    precision: Annotated[
        Literal["auto", "fp32", "fp16", "bf16"], typer.Option(help="What vjepa2 computes with.")
    ] = "auto",
    home: HOME,
) -> None:
    """Check every file of a model and run it on a fixed input; makes lite0_box ready at the first use."""
    with stage(f"Verifying {name}"):
        found = check(home, name, device=device, precision=precision)
    again = "the same" if found.repeatable else "[yellow]other[/yellow]"
    say(f"{found.model_id}: {found.numbers} finite numbers for a fixed input, {again} when asked again")
