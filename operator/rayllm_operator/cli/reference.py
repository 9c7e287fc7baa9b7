"""Prints ``docs/cli.md``: ``make generate``."""

import click

from rayllm_operator.cli.main import main

_WIDTH = 100

_HEAD = """\
# The command line

`make setup` puts `rayllm` into `.venv/bin`. `convert`, `validate` and `render` need neither a cluster nor
Ray; `run` needs Linux and the engine packages (`make engine`); `status`, `why` and `logs` read a cluster
with your kubeconfig and rights. This page is what `--help` prints (`make generate` writes it); a test holds
it to that.

`kubectl llm status` is `rayllm status`, and so is every other command: `kubectl-llm` is the same program
under a name that kubectl finds on the PATH.

A file is read as `kubectl` reads it: `y`, `yes` and `on` are true, `010` is eight, `1e-4` is a number, dates
and times are text. A key that is written twice is an error. A file without `apiVersion` and `kind` is a
RayLLM registry file and stands for an LLMModel named after the file: lower case, `.` and `_` become `-`,
a leading digit gets `m-`, and a name over 47 characters is cut and ends with a hash of 5 characters.
From standard input, and where a file holds several, the name comes from `engine_config.model_id`.

A finding is one line, `file:line: key: sentence`, or `file:line:column: sentence` where the file is not YAML.
Warnings say `warning:` after the place, and do not change the exit code. `convert` says `to do:`, `differs:`,
`renamed:`, `rewritten:` and `not converted:` there, and prints a table on a terminal. `validate -o json`
prints `{"findings": [{"file", "line", "column", "key", "severity", "message"}], "summary": {"objects",
"skipped", "errors", "warnings"}}`.
"""


def reference() -> str:
    """Return the page as Markdown."""
    root = click.Context(main, info_name="rayllm", terminal_width=_WIDTH, **main.context_settings)
    pages = [("rayllm", main.get_help(root))]
    for name, command in main.commands.items():
        context = click.Context(command, root, info_name=name, terminal_width=_WIDTH)
        pages.append((f"rayllm {name}", command.get_help(context)))
    return _HEAD + "".join(f"\n## {title}\n\n```text\n{text}\n```\n" for title, text in pages)


if __name__ == "__main__":
    click.echo(reference(), nl=False)
