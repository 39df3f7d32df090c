"""`graft completion`: has the shell complete commands, options, configurations, runs and names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

SHELLS = {
    "bash": "~/.local/share/bash-completion/completions/graft",
    "zsh": '"${fpath[1]}/_graft"',
    "fish": "~/.config/fish/completions/graft.fish",
}
_MOST_RUNS = 20


@click.command()
@click.argument("shell", type=click.Choice(list(SHELLS)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that has the shell complete.

    Try it in the shell at hand; then keep it where new shells look:

    \b
      bash  source <(graft completion bash)
            graft completion bash >
              ~/.local/share/bash-completion/completions/graft
      zsh   source <(graft completion zsh)
            graft completion zsh > "${fpath[1]}/_graft"
      fish  graft completion fish | source
            graft completion fish > ~/.config/fish/completions/graft.fish

    The script asks `graft`, which must be on the PATH (it is in .venv/bin).
    """
    found = get_completion_class(shell)
    assert found is not None  # click has these three
    completer = found(ctx.find_root().command, {}, "graft", "_GRAFT_COMPLETE")
    # Of the base: bash's own starts bash to ask for its version, which here says nothing of the
    # shell that will read the script.
    click.echo(ShellComplete.source(completer))


def complete_config(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """YAML files here and in configs/; where none fits, what the shell finds itself."""
    files = sorted(str(path) for path in _configs() if str(path).startswith(incomplete))
    return [CompletionItem(file) for file in files] or [CompletionItem(incomplete, type="file")]


def _configs() -> Iterator[Path]:
    for folder in (Path(), Path("configs")):
        for ending in ("*.yaml", "*.yml"):
            yield from folder.glob(ending)


def complete_name(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The configurations that have runs below --runs."""
    stores = _runs(ctx.params).glob("*/metadata.db")
    return sorted(s.parent.name for s in stores if s.parent.name.startswith(incomplete))


def complete_run(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The newest runs below --runs by their logs, newest first, and "last"; asks no store."""
    logs = _runs(ctx.params).glob(f"{ctx.params.get('name') or '*'}/logs/*.log")
    ids = sorted({log.stem for log in logs}, reverse=True)
    return [it for it in ["last", *ids[:_MOST_RUNS]] if it.startswith(incomplete)]


def _runs(given: dict[str, Any]) -> Path:
    return Path(given.get("runs") or "runs").expanduser()
