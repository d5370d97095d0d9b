"""Sentences as the page has them: code between backticks, an index below its norm."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup


def marked(text: str) -> Markup:
    """A sentence as HTML, in which nothing of its own is markup.

    Example:
        >>> print(marked("‖ΔW‖_F of <b>: see `shared`"))
        ‖ΔW‖<sub>F</sub> of &lt;b&gt;: see <code>shared</code>
    """
    from markupsafe import Markup, escape

    html = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup(re.sub(r"‖_([F2])", r"‖<sub>\1</sub>", html))
