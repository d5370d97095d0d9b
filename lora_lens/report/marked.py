"""Sentences as the page has them: code between backticks, an index below its norm."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup


def marked(text: str, names: Collection[str] = ()) -> Markup:
    """A sentence as HTML, in which nothing of its own is markup.

    Args:
        text: The sentence.
        names: Of strangers, that may be in it: backticks in them are theirs, and no code lies between them.

    Example:
        >>> print(marked("‖ΔW‖_F of <b>: see `shared`"))
        ‖ΔW‖<sub>F</sub> of &lt;b&gt;: see <code>shared</code>
        >>> print(marked("x`y`z: see `shared`", ["runs/x`y`z", "x`y`z"]))
        x&#96;y&#96;z: see <code>shared</code>
    """
    from markupsafe import Markup, escape

    html = str(escape(text))
    # The longest first, for one may be part of another: a path and its folder.
    for name in sorted((str(escape(one)) for one in names if "`" in one), key=len, reverse=True):
        html = html.replace(name, name.replace("`", "&#96;"))
    html = re.sub(r"`([^`]+)`", r"<code>\1</code>", html)
    return Markup(re.sub(r"‖_([F2])", r"‖<sub>\1</sub>", html))
