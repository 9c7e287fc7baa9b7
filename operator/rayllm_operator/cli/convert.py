"""``rayllm convert``: RayLLM's files, and those of ray.serve.llm, become LLMModels."""

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from rayllm_operator.api.llm_model import LLMModelSpec
from rayllm_operator.cli import options
from rayllm_operator.cli.conversion_checks import Manifest, check
from rayllm_operator.cli.conversion_inputs import ConversionInputs
from rayllm_operator.cli.conversion_report import print_notes, summary
from rayllm_operator.cli.documents import UnreadableInputError
from rayllm_operator.convert.notes import Kind, Note
from rayllm_operator.plan.placement import custom_resources, replica_bundles, total_of

_SEPARATOR = "---\n"


@click.command(short_help="Turn RayLLM's files into LLMModels.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--output",
    "-o",
    "output_directory",
    metavar="DIR",
    help="Write NAME.yaml for each model there. Default: all of them to standard output.",
)
@click.option("--force", is_flag=True, help="Overwrite files under --output that hold something else.")
@click.option(
    "--root",
    metavar="DIR",
    help="Where the paths in Serve configurations start. Default: the directories around the file.",
)
@click.option(
    "--last-key-wins", is_flag=True, help="Of a key that is written twice take the last, as RayLLM did."
)
def convert(
    files: tuple[str, ...], output_directory: str | None, force: bool, root: str | None, last_key_wins: bool
) -> None:
    """Turn RayLLM's files into LLMModels, with a report on standard error.

    A FILE is a registry file of any RayLLM version, a Serve configuration or RayService that names models or
    holds them, or an LLMConfig or Serve configuration of ray.serve.llm; - is standard input; a directory is
    searched for *.yaml, *.yml and *.json. The text is kept as it is, comments included, and only what means
    something else today is changed. The report says, with file, line and key, what was renamed or rewritten,
    what now differs and what is left to do. A model with errors gives no manifest.

    A key that is written twice is an error, because the value that RayLLM used is often not the one that was
    meant; --last-key-wins keeps what RayLLM did.

    \b
    Examples:
      rayllm convert models/ --output manifests/
      rayllm convert serve_configs/amazon--LightGPT.yaml --root . | kubectl apply -f -
      rayllm convert rayservice.yaml llm_config.yaml > models.yaml

    \b
    Exit codes:
      0  converted (there may be things to do)
      1  a file has errors, or one under --output holds something else; the others are converted
      2  wrong usage, or a file that cannot be read
    """  # noqa: D301 (click keeps the lines after a backspace as they are)
    inputs = ConversionInputs(root, last_key_wins=last_key_wins)
    for file in files:
        inputs.read(file)
    result = check(inputs)
    notes = list(result.notes)
    if output_directory is None:
        click.echo(_SEPARATOR.join(manifest.text for manifest in result.manifests), nl=False)
    else:
        notes += _write(result.manifests, Path(output_directory), force=force)
    console = Console(stderr=True)
    print_notes(notes, console)
    for line in (*_next_steps(result.manifests), summary(len(result.manifests), result.refused, notes)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if any(note.kind is Kind.ERROR for note in notes):
        raise click.exceptions.Exit(options.ExitCode.FINDINGS)


def _write(manifests: Sequence[Manifest], directory: Path, *, force: bool) -> list[Note]:
    """Write each manifest to a file of its own; one that is there already and the same is not touched."""
    notes = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for manifest in manifests:
            path = directory / f"{manifest.model.name}.yaml"
            there = path.read_bytes() if path.exists() else None
            if there is None or (force and there != manifest.text.encode()):
                path.write_text(manifest.text, encoding="utf-8")
            elif there != manifest.text.encode():
                message = "is there already and holds something else; --force overwrites it"
                notes.append(Note(Kind.ERROR, str(path), 1, "", message))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnreadableInputError(f"{error.filename or directory}: cannot be written: {reason}") from None
    return notes


def _next_steps(manifests: Sequence[Manifest]) -> list[str]:
    names = sorted({name for manifest in manifests for name in _resources(manifest.model.spec)})
    if not names:
        return []
    ask = f"the models ask for {', '.join(names)}"
    return [f"note: {ask}; a GPUNodePool must offer each (rayllm validate --pools)"]


def _resources(spec: LLMModelSpec) -> set[str]:
    """Return the custom resources that a model's pools must offer."""
    return {*custom_resources(total_of(replica_bundles(spec)))}
