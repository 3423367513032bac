"""What tests ask of a page that Bokeh has drawn."""

from __future__ import annotations

from typing import Any

DRAWN = "() => window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle"
COLUMN = """([figure, glyph, column]) => {
  const made = Bokeh.documents[0].get_model_by_name(figure)
  if (!made) return null
  const found = made.renderers.find(r => r.name == glyph)
  return found ? Array.from(found.data_source.data[column]) : null
}"""

TEXT = "(name) => Bokeh.documents[0].get_model_by_name(name)?.text ?? ''"
BOX = """() => {
  const find = (view) => view.model.name == 'tasks' ? view
    : [...(view.child_views ?? [])].map(find).find(found => found)
  return find(Object.values(Bokeh.index)[0] ?? Bokeh.index.roots[0]).el.getBoundingClientRect().toJSON()
}"""


def show(tab: Any, url: str) -> None:
    tab.goto(url)
    tab.wait_for_function(DRAWN)


def column(tab: Any, figure: str, glyph: str, name: str) -> Any:
    """A column of the data that a glyph draws."""
    return tab.evaluate(COLUMN, [figure, glyph, name])


def await_column(tab: Any, figure: str, glyph: str, name: str, condition: str) -> None:
    """Until a condition on the column ``c`` holds, in JavaScript."""
    tab.wait_for_function(
        f"(asked) => {{ const c = ({COLUMN})(asked); return c && ({condition}) }}",
        arg=[figure, glyph, name],
    )


def text(tab: Any, name: str) -> str:
    """What a Div says, whose text stands in its shadow."""
    return str(tab.evaluate(TEXT, name))


def await_text(tab: Any, name: str, part: str) -> str:
    tab.wait_for_function(f"([name, part]) => ({TEXT})(name).includes(part)", arg=[name, part])
    return text(tab, name)


def zoom_in(tab: Any) -> None:
    """To where the first tasks of the graph are."""
    box = tab.evaluate(BOX)
    tab.mouse.move(box["x"] + 0.26 * box["width"], box["y"] + 0.5 * box["height"])
    for _ in range(2):
        tab.mouse.wheel(0, -400)
