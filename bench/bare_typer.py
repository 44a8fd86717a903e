"""The least a typer program with two commands can be: what natfix's start-up is measured beside."""

from __future__ import annotations

import typer

app = typer.Typer()


@app.command()
def hello(name: str = "world") -> None:
    """Greet *name*."""
    typer.echo(f"hello {name}")


@app.command()
def bye(name: str = "world") -> None:
    """Take leave of *name*."""
    typer.echo(f"bye {name}")


if __name__ == "__main__":
    app()
