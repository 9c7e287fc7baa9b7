"""The entry point ``rayllm``."""

import click

from rayllm_operator import __version__
from rayllm_operator.cli.convert import convert
from rayllm_operator.cli.logs import logs
from rayllm_operator.cli.plan import plan
from rayllm_operator.cli.render import render
from rayllm_operator.cli.run import run
from rayllm_operator.cli.status import status
from rayllm_operator.cli.validate import validate
from rayllm_operator.cli.why import why


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, "--version", "-V", prog_name="rayllm")
def main() -> None:
    """Serve language models: one RayLLM file per model in, an OpenAI-compatible endpoint out.

    \b
    Examples:
      rayllm convert models/ --output manifests/
      rayllm validate model.yaml
      rayllm render model.yaml --pools pools.yaml
      rayllm plan model.yaml
      rayllm run model.yaml
      rayllm status
      rayllm why my-model
      rayllm logs my-model --follow

    \b
    Exit codes:
      0  success
      1  a file has errors, or the cluster has not got what was asked for
      2  wrong usage, or a file that cannot be read
      3  run only: the engine is missing, or the model did not start or stopped serving
    """  # noqa: D301 (click keeps the lines after a backspace as they are)


for command in (convert, validate, render, plan, run, status, why, logs):
    main.add_command(command)

if __name__ == "__main__":
    main()
