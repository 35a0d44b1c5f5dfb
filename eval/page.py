"""What our pages have in common: how templates are read, how figures are written, and the style."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def make_environment() -> Environment:
    """Return the templates of `eval`; they escape all texts, and a fact that is missing is an error."""
    environment = Environment(
        loader=PackageLoader("eval", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}"
    environment.filters["points"] = lambda share: f"{100 * share:+.1f}"
    environment.filters["thousands"] = lambda number: f"{number:,}"
    environment.filters["p_value"] = lambda p: "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    environment.globals["zip"] = zip
    return environment


def read_style() -> Markup:
    """Return the style sheet, to stand inside a page."""
    return Markup(files("eval").joinpath("report.css").read_text(encoding="utf-8"))
