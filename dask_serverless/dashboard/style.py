"""One look for all pages: text and lines that can be read on light and dark backgrounds."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from bokeh.models import AdaptiveTicker, BasicTicker, CustomJSTickFormatter, Div, InlineStyleSheet
from bokeh.plotting import figure

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
TEXT = "#747c8a"  # in figures: on white and on near black alike, 4.2 : 1
LINE = "#9aa3af"
FAINT = "rgba(128, 136, 148, 0.18)"
BAR = "#0072b2"
CRITICAL = "#d55e00"  # on the critical path

CSS = """
:host { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; font-size: 13px;
  color: var(--text, #1f2937); }
.facts { display: flex; flex-wrap: wrap; gap: 6px 16px; align-items: baseline; padding: 4px 2px 8px; }
.fact small { color: var(--quiet, #6b7280); margin-right: 4px; }
.fact b { font-weight: 600; font-variant-numeric: tabular-nums; }
.chip { border-radius: 10px; padding: 2px 10px; font-weight: 600; color: #fff; background: #0072b2; }
.chip.running { background: #009e73; } .chip.failed, .chip.lost { background: #d5331f; }
td .chip { padding: 0 8px; font-size: 12px; }
.banner { background: #d5331f; color: #fff; padding: 8px 14px; border-radius: 6px; margin: 6px 0; }
.notice { border-left: 4px solid #e69f00; padding: 6px 12px; margin: 6px 0; }
.nothing { padding: 60px 20px; text-align: center; color: var(--quiet, #6b7280); }
.nothing h2 { font-weight: 600; color: var(--text, #1f2937); margin: 0 0 8px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; padding: 2px; color: var(--quiet, #6b7280); }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 5px;
  vertical-align: -1px; }
.bk-clearfix { display: block !important; }
h3 { font-size: 14px; font-weight: 600; margin: 10px 2px 4px; }
table { border-collapse: collapse; min-width: min(100%, 760px); margin-bottom: 8px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; color: var(--quiet, #6b7280); padding: 4px 10px 4px 2px;
  border-bottom: 1px solid var(--line, #d1d5db); white-space: nowrap; }
td { padding: 4px 10px 4px 2px; border-bottom: 1px solid var(--faint, #eef0f3); vertical-align: top; }
.wide { overflow-x: auto; }
td.number, th.number { text-align: right; white-space: nowrap; }
@media (max-width: 1080px) {
  th, td, td.number, th.number { padding: 4px 7px 4px 1px; white-space: normal; font-size: 12px; }
}
.long { overflow-wrap: anywhere; }
pre { background: var(--panel, #f6f7f9); padding: 10px; border-radius: 6px;
  white-space: pre-wrap; overflow-wrap: anywhere; font-size: 12px; line-height: 1.45; margin: 4px 0; }
a { color: #2a7ab8; text-decoration: none; } a:hover { text-decoration: underline; }
.quiet { color: var(--quiet, #6b7280); }
"""


WIDGETS = """
.bk-input { background: var(--page); color: var(--text); border-color: var(--line); }
.bk-btn-default { background: var(--page); color: var(--text); border-color: var(--line); }
.bk-btn-default.bk-active, .bk-btn-default:hover { background: var(--line); color: var(--text);
  border-color: var(--line); }
.bk-btn-success, .bk-btn-success:hover { background: #0072b2; border-color: #0072b2; color: #fff; }
.noUi-target { background: var(--line); border-color: var(--line); }
.bk-slider-title { color: var(--text); }
"""


# Of what one hovers over.
TIP_LOOK = """<style>
.tip { font: 12px sans-serif; max-width: 420px; overflow-wrap: anywhere; }
.tip th { padding-right: 8px; color: #6b7280; font-weight: normal; text-align: left;
  white-space: nowrap; vertical-align: top; }
.tip tr:has(td:empty) { display: none; }
</style>"""


def widget_sheet() -> InlineStyleSheet:
    return InlineStyleSheet(css=WIDGETS)


def sheet() -> InlineStyleSheet:
    return InlineStyleSheet(css=CSS)


def swatches(entries: Iterable[tuple[str, str]]) -> Div:
    return Div(text=legend(entries), stylesheets=[sheet()])


def legend(entries: Iterable[tuple[str, str]]) -> str:
    """What colours mean: (colour, name)."""
    shown = "".join(
        f'<span><i style="background:{colour}"></i>{escape(name)}</span>'
        for colour, name in entries
    )
    return f'<div class="legend">{shown}</div>'


def plain(**settings: Any) -> Any:
    """A figure without anything that says nothing."""
    settings = {
        "toolbar_location": "above", "sizing_mode": "stretch_width", "min_border": 8,
        "tools": "", **settings,
    }  # fmt: skip
    made = figure(**settings)
    made.toolbar.logo = None
    made.background_fill_alpha = made.border_fill_alpha = 0
    made.background_fill_color = made.border_fill_color = None
    made.outline_line_color = None
    made.grid.grid_line_color = FAINT
    for axis in made.axis:
        axis.axis_line_color = axis.major_tick_line_color = LINE
        axis.minor_tick_line_color = None
        axis.axis_label_text_color = axis.major_label_text_color = TEXT
        axis.axis_label_text_font = axis.major_label_text_font = FONT
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = axis.major_label_text_font_size = "12px"
    made.title.text_color = TEXT
    made.title.text_font = FONT
    made.title.text_font_size = "13px"
    made.title.text_font_style = "normal"
    return made


def whole_numbers() -> BasicTicker:
    """For what is counted."""
    return BasicTicker(min_interval=1, desired_num_ticks=5)


def in_bytes_along(axis: Any) -> None:
    """As ``in_bytes`` puts them."""
    powers = [2**power for power in range(10)]
    axis.ticker = AdaptiveTicker(base=1024, mantissas=powers, min_interval=1, desired_num_ticks=5)
    axis.formatter = CustomJSTickFormatter(
        code="""
      const units = ["B", "KiB", "MiB", "GiB", "TiB"]
      let place = 0
      while (Math.abs(tick) >= 1024 && place < units.length - 1) { tick /= 1024; place += 1 }
      return `${tick} ${units[place]}`
    """
    )


def without_axes(made: Any) -> Any:
    made.axis.visible = False
    made.grid.visible = False
    return made
