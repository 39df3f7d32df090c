"""`graft config`: every configuration key, with its meaning and default."""

import click

from pipeline.options import out_option, write_file


@click.command("config")
@out_option
def print_config(out: str | None) -> None:
    """Print every configuration key with its meaning and default."""
    from pipeline.config_text import config_text

    if out:
        write_file(out, config_text().encode())
        click.echo(f"written to {out}")
    else:
        click.echo(config_text(), nl=False)
