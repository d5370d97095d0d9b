"""The page itself, by Gradio: a form, the report below it, and a button that saves it."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Mapping
from typing import Any

import gradio as gr

from .analyses import Analyses, minutes
from .answering import Answer, Asked
from .calls import ASKED, LOST, Inputs
from .kept import Uploads
from .places import Places

_TITLE = "lora-lens"
_INTRODUCTION = (
    "<h1>lora-lens</h1><p>Give a trained low-rank adapter, and read what its layers share, beside what "
    "chance gives. Uploads are deleted when the answer is there; nothing in them is executed.</p>"
    "<p>One analysis runs at a time, for at most {limit}; the others wait. Cancel ends yours.</p>"
)
# The report is in the page alone: the browser saves it, and no server has to keep it.
_SAVE = """() => {
  const frame = document.querySelector("#report iframe");
  if (!frame) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([frame.srcdoc], {type: "text/html"}));
  link.download = "report.html";
  link.click();
  URL.revokeObjectURL(link.href);
}"""
_CSS = """
.gradio-container { max-width: 78rem !important; margin: 0 auto; }
#report iframe { width: 100%; height: 85vh; border: 1px solid var(--border-color-primary); }
.error { border-left: 3px solid #9c3d12; padding-left: .7rem; font-weight: 600; }
.summary { font-size: 1.1rem; }
"""


def build(
    places: Places, uploads: Uploads, analyses: Analyses, most_bytes: int
) -> tuple[Any, Mapping[int, Inputs]]:
    """The Gradio application, and what each function of it that can be called is given."""

    def take(files: list[str] | None, request: gr.Request) -> str:
        """Whenever the list of uploads changes: what is in it, out of Gradio's hands."""
        visitor = str(request.session_hash)
        try:
            uploads.take(visitor, files or [])
        except OSError:
            raise gr.Error(LOST) from None
        return visitor

    async def analyse(
        given: list[str] | None, adapter: str, base: str, module: str, request: gr.Request
    ) -> tuple[str, str, Any, Any]:
        visitor = str(request.session_hash)
        try:
            # The list's own request may not be through.
            files = await asyncio.to_thread(uploads.take, visitor, given or [])
        except OSError:
            answered = Answer(error=LOST)
        else:
            asked = Asked(files, *(text.strip() for text in (adapter, base, module)))
            answered = await analyses.answer(visitor, asked, float(request.headers[ASKED]))
        finally:
            uploads.forget(visitor)
        found = bool(answered.page)
        return (
            _said(answered.error, answered.summary),
            _framed(answered.page),
            None,
            gr.update(visible=found),
        )

    async def cancel(request: gr.Request) -> None:
        """Without a thread, of which those who wait may have them all."""
        analyses.cancel(str(request.session_hash))

    with gr.Blocks(title=_TITLE, analytics_enabled=False, delete_cache=(600, 3600)) as page:
        gr.HTML(_INTRODUCTION.format(limit=minutes(analyses.seconds)))
        visitor = gr.State("", time_to_live=3600, delete_callback=uploads.forget)
        with gr.Row():
            files = gr.File(
                label=f"Upload: adapter_model.safetensors and adapter_config.json, or a zip (at most "
                f"{most_bytes / 1e6:.0f} MB)",
                file_count="multiple",
                elem_id="upload",
            )
            with gr.Column():
                where = "Folder or hub id" if places.folders else "Hub id"
                adapter = gr.Textbox(label=f"Or: {where.lower()} of an adapter", elem_id="adapter")
                base = gr.Textbox(
                    label=f"Base model: {where.lower()}; by default the one that the adapter names",
                    elem_id="base",
                )
                module = gr.Textbox(label="Module; by default all", elem_id="module")
        with gr.Row():
            button = gr.Button("Analyse", variant="primary", elem_id="analyse")
            stop = gr.Button("Cancel", variant="stop", elem_id="cancel")
        said = gr.HTML("", elem_id="said")
        save = gr.Button("Save the report", visible=False, elem_id="save")
        report = gr.HTML("", elem_id="report")
        hidden: dict[str, Any] = {"api_visibility": "private"}
        taken = files.change(take, [files], [visitor], queue=False, **hidden)
        analysed = button.click(
            analyse, [files, adapter, base, module], [said, report, files, save],
            concurrency_limit=None, **hidden,
        )  # fmt: skip
        stopped = stop.click(cancel, None, None, queue=False, **hidden)
        save.click(None, None, None, js=_SAVE, **hidden)
    return page, {
        taken["id"]: Inputs(uploads=True),
        analysed["id"]: Inputs(uploads=True, texts=3),
        stopped["id"]: Inputs(),
    }


def look() -> dict[str, Any]:
    """Fonts that are here, and the style."""
    fonts = ["system-ui", "sans-serif"]
    return {"theme": gr.themes.Base(font=fonts, font_mono=["monospace"]), "css": _CSS}


def _said(error: str, summary: str) -> str:
    if error:
        return f'<p class="error" role="alert">{html.escape(error)}</p>'
    return f'<p class="summary" role="status">{html.escape(summary)}</p>'


def _framed(page: str) -> str:
    """The report in a frame of its own, which can reach nothing of the page around it."""
    if not page:
        return ""
    return (
        f'<iframe title="The report" sandbox="allow-scripts allow-popups allow-downloads allow-modals" '
        f'srcdoc="{html.escape(page)}"></iframe>'
    )
