"""The command line: `graft`, the same as `python -m pipeline`.

A command X stands in `X_cli.py`, or in the `cli.py` of the folder that does its work; each imports
what is heavy only once it is called, so that help is there at once.
"""

import click

from pipeline.augment_cli import augment
from pipeline.check_cli import check
from pipeline.clean_cli import clean
from pipeline.commands import Commands
from pipeline.completion import completion
from pipeline.config_cli import print_config
from pipeline.kubeflow.cli import compile_, schedule, submit
from pipeline.lineage_cli import lineage
from pipeline.module_cli import module
from pipeline.predict_cli import predict
from pipeline.registry_cli import registry
from pipeline.report.cli import report
from pipeline.run_cli import run
from pipeline.try_it.cli import serve

_EXAMPLES = """\b
Examples:
  graft check configs/digits.yaml          what a run would do
  graft run configs/digits.yaml            do it
  graft run my.yaml --set train.max_epochs=1
  graft predict picture.jpg                ask the model it pushed
  graft registry list                      which versions there are
  graft COMMAND --help                     what else a command takes
"""


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXAMPLES
)
@click.version_option(package_name="graft", message="%(version)s")
def main() -> None:
    """From your own images to a served, registered classifier.

    Errors go to stderr, with exit code 2; with --json stdout holds JSON, also then.
    `graft completion bash|zsh|fish` prints what has your shell complete.
    """


for command in (
    run,
    check,
    print_config,
    report,
    predict,
    serve,
    lineage,
    augment,
    registry,
    compile_,
    submit,
    schedule,
    module,
    clean,
    completion,
):
    main.add_command(command)
