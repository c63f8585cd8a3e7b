"""The report in words: one HTML page without scripts, and the same text laid out for paper.

Templates lie in ``resources/report/``. Every value passes two gates on its way into the page:
unprintable characters are written out, so that no name can reverse or hide the text around it, and
Jinja escapes the rest, so that no name is ever markup. A policy in the page's head forbids
everything but its own style sheet (by digest) and pictures that lie in the page itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from inspector import places
from inspector.case.trigger_document import region_words
from inspector.export.report.limits import power_table
from inspector.export.report.shadows import shadow_table
from inspector.export.report.triggers import by_method, controls_table
from inspector.intake.datasets.names import visible
from inspector.parameters import settings_said

_NONE = "–"
_LONGEST = 400
"""Characters of one evidence text on the page; the document keeps all of it."""


def html_report(document: Mapping[str, Any]) -> str:
    """Return a report as one page for a browser; pictures and style lie inside.

    Parameters
    ----------
    document : mapping
        From `report_document`.
    """
    return _rendered("report.html.j2", document, _style("screen.css"), whole=True)


def json_report(document: Mapping[str, Any]) -> bytes:
    """Return the document itself as JSON, ASCII only."""
    return json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False).encode("ascii")


def print_report(document: Mapping[str, Any]) -> str:
    """Return the page for a layout engine of rich text, which knows tables but little style.

    Pictures are named ``picture:N`` in the order of `pictures_of`, not embedded.
    """
    return _rendered("print.html.j2", document, _style("print.css"), whole=False)


def pictures_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return every picture of a document once."""
    observed = document["observed"]
    found = [picture for row in observed["triggers"] for picture in row["pictures"]]
    for method in (observed["shadows"] or {"methods": ()})["methods"]:
        mine = (row for row in observed["triggers"] if str(row["method"]) == method["method"])
        strips = [(row.get("shadows") or {}).get("strip") for row in mine]
        found += [*(strip for strip in strips if strip is not None), method["scale"]]
    return found + [row["picture"] for row in observed["suspects"] if row["picture"] is not None]


def _rendered(template: str, document: Mapping[str, Any], style: str, *, whole: bool) -> str:
    environment = Environment(
        loader=FileSystemLoader(places.resources() / "report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=_number,
        count=_count,
        percent=_percent,
        said=_said,
        size=_size,
        brief=_brief,
        settings=settings_said,
        coded=_coded,
    )
    environment.globals.update(
        power_table=power_table,
        controls_table=controls_table,
        shadow_table=shadow_table,
        by_method=by_method,
        region_words=region_words,
    )
    numbers = {id(picture): at for at, picture in enumerate(pictures_of(document))}

    def source(picture: Mapping[str, Any]) -> str:
        # Base64 alone can stand in the attribute: whatever else a document holds is not shown.
        if whole:
            raw = base64.b64decode(str(picture["png"]), validate=True)
            return "data:image/png;base64," + base64.b64encode(raw).decode("ascii")
        return f"picture:{numbers[id(picture)]}"

    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return environment.get_template(template).render(
        report=document, style=style, style_digest=digest, source=source
    )


def _style(name: str) -> str:
    return (places.resources() / "report" / name).read_text("utf-8").strip()


def _printable(value: Any) -> Any:
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return visible(value)
    return _NONE if value is None else value


def _number(value: float | None, form: str = ".4g") -> str:
    return _NONE if value is None else format(float(value), form)


def _count(value: int | None) -> str:
    return _NONE if value is None else f"{int(value):,}"


def _percent(value: float | None) -> str:
    return _NONE if value is None else f"{float(value):.1%}"


def _size(count: int) -> str:
    """Return bytes in words a person reads at a glance."""
    size = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1024
    raise AssertionError


def _brief(text: str | None, limit: int = _LONGEST) -> str | None:
    if text is None or len(text) <= limit:
        return text
    return text[: limit - 1] + "…"


def _coded(text: str) -> Markup:
    """Return a text of ours whose commands stand between backticks as markup."""
    parts = [escape(visible(part)) for part in text.split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts)
    )


def _said(value: Any, depth: int = 3) -> str:
    """Return a recorded value in words: mappings as ``name = value``, lists with commas."""
    if isinstance(value, Mapping):
        if not depth:
            return "…"
        return "; ".join(f"{key} = {_said(inner, depth - 1)}" for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        if not depth:
            return "…"
        shown = ", ".join(_said(inner, depth - 1) for inner in value[:20])
        return f"{shown} and {len(value) - 20:,} more" if len(value) > 20 else shown
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return _NONE if value is None else str(value)
