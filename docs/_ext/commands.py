"""Directive ``lora-lens-commands``: every command's help, asked of the command line itself.

A command that is added to the application appears without a word here.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from lora_lens.cli import app as application

if TYPE_CHECKING:
    from sphinx.application import Sphinx


class Commands(SphinxDirective):
    """One section a command: what it does, how it is called, its options."""

    def run(self) -> list[nodes.Node]:
        """The sections, in the order of ``lora-lens --help``."""
        group: Any = typer.main.get_command(application)
        above = group.context_class(group, info_name="lora-lens")
        return [
            _section(command.context_class(command, info_name=name, parent=above))
            for name, command in group.commands.items()
            if not command.hidden
        ]


def _section(context: Any) -> nodes.section:
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    section = nodes.section(ids=[nodes.make_id(f"command {context.info_name}")])
    section["support_smartquotes"] = False  # they would make a dash of an option's hyphens
    section += nodes.title("", "", nodes.literal("", context.command_path))
    section += nodes.literal_block(usage, usage, language="text")
    section += list(_prose(command.help or ""))
    records = (param.get_help_record(context) for param in command.get_params(context))
    section += nodes.definition_list("", *(_item(*record) for record in records if record))
    return section


def _prose(text: str) -> Iterator[nodes.Node]:
    """Paragraphs; an ``Example:`` is shown as code."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("Example"):
            title, _, code = paragraph.partition(":")
            code = inspect.cleandoc(code)
            yield nodes.paragraph("", f"{title}:")
            yield nodes.literal_block(code, code, language="text")
        else:
            line = " ".join(paragraph.split())
            yield nodes.paragraph(line, line)


def _item(name: str, text: str) -> nodes.definition_list_item:
    line = " ".join(text.split())
    return nodes.definition_list_item(
        "",
        nodes.term("", "", nodes.literal("", " ".join(name.split()))),
        nodes.definition("", nodes.paragraph(line, line)),
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("lora-lens-commands", Commands)
    return {"parallel_read_safe": True}
