// The graph of a file, where nobody answers: which tasks are shown one by one, as Focus and TaskGraph
// decide it for live pages. Told: tasks, links, moments, picked, critical, and the models to draw in.

// Bokeh calls this some time after a change, so what it has selected by itself is noted.
const own = () => picked.tags[0] === JSON.stringify(nodes.selected.indices)
if (cb_obj === nodes.selected && own()) return

const {x, y, key} = tasks.data, count = x.length, everything = Array.from({length: count}, (_, t) => t)
const {source, target} = links.data
const [IN_VIEW, CRITICAL, SELECTED, FAILED] = [0, 1, 2, 3]
const moment = Math.round(slider.value / slider.step)
const state = t => moments.data.state[moment * count + t]

function pick(found) {
  picked.data = {task: found}
  if (!found.length && modes.active == SELECTED) modes.active = IN_VIEW
}

if (cb_obj === words) {
  pick(words.value ? everything.filter(t => key[t].includes(words.value)) : [])
  if (picked.data.task.length) modes.active = SELECTED
} else if (cb_obj === nodes.selected) {
  pick(Array.from(nodes.selected.indices, place => nodes.data.task[place]))
}

// As the live page does: a few tasks of the levels in view remain in view.
const levels = new Map()
for (const level of x) levels.set(level, (levels.get(level) ?? 0) + 1)
function highEnough() {
  const {x_range, y_range} = figure, [low, high] = y_range.bounds
  const there = Array.from(levels).filter(([level]) => x_range.start <= level && level <= x_range.end)
  const least = Math.min(least_rows / Math.max(1, ...there.map(([_, tasks]) => tasks)), high - low)
  const {start, end} = y_range
  if (end - start < 0.999 * least) {
    const y0 = Math.min(Math.max((start + end - least) / 2, low), high - least)
    y_range.setv({start: y0, end: y0 + least})
  }
  y_range.min_interval = least
}

function within() {
  highEnough()
  const {start: x0, end: x1} = figure.x_range, {start: y0, end: y1} = figure.y_range
  return everything.filter(t => x0 <= x[t] && x[t] <= x1 && y0 <= y[t] && y[t] <= y1)
}

function withNeighbours(chosen) {
  const mine = new Set(chosen), found = new Set(chosen)
  for (let e = 0; e < source.length; e++) {
    if (mine.has(target[e])) found.add(source[e])
    if (mine.has(source[e])) found.add(target[e])
  }
  return everything.filter(t => found.has(t))
}

const focused = {
  [CRITICAL]: () => Array.from(critical),
  [SELECTED]: () => withNeighbours(picked.data.task),
  [FAILED]: () => everything.filter(t => state(t) == failed),
}[modes.active]
const wanted = focused ? focused() : within()
const few = count <= most_nodes  // then there are no cells to show instead
const single = focused || few || (0 < wanted.length && wanted.length <= most_nodes)
const shown = single ? wanted.slice(0, most_nodes) : []

const found = {task: shown, state: shown.map(state)}
for (const [name, column] of Object.entries(tasks.data)) found[name] = shown.map(t => column[t])
const widths = new Map()
for (const t of shown) widths.set(x[t], (widths.get(x[t]) ?? 0) + 1)
const dot = Math.min(dots[1], Math.max(dots[0], 0.8 * height / Math.max(1, ...widths.values())))
found.size = shown.map(_ => dot)
function inView(source, target) {
  const {start: x0, end: x1} = figure.x_range, {start: y0, end: y1} = figure.y_range
  if (x[source] > x1 || x[target] < x0) return false
  const at = place => y[source] + (y[target] - y[source]) * (place - x[source]) / (x[target] - x[source])
  const ends = [at(Math.max(x[source], x0)), at(Math.min(x[target], x1))]
  return Math.min(...ends) <= y1 && Math.max(...ends) >= y0
}

const mine = new Uint8Array(count)
for (const t of shown) mine[t] = 1
const drawn = {x0: [], y0: [], x1: [], y1: [], alpha: []}
for (let e = 0; e < source.length && drawn.x0.length < most_edges; e++)
  if (focused ? mine[target[e]] && mine[source[e]] : single && inView(source[e], target[e])) {
    drawn.x0.push(x[source[e]]); drawn.y0.push(y[source[e]])
    drawn.x1.push(x[target[e]]); drawn.y1.push(y[target[e]])
  }
drawn.alpha = drawn.x0.map(_ => Math.min(0.45, Math.max(0.08, 45 / drawn.x0.length)))

const chosen = new Set(picked.data.task)
const places = shown.flatMap((t, place) => chosen.has(t) ? [place] : [])
picked.tags = [JSON.stringify(places)]
nodes.selected.indices = []
nodes.data = found
edges.data = drawn
nodes.selected.indices = places
raster.visible = !single
const number = n => n.toLocaleString("en")
figure.title.text = !single ? whole : !shown.length && !focused ? nothing_here
  : `${number(shown.length)} of ${number(count)} tasks one by one`

const escaped = text => String(text).replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`)
const rows = picked.data.task.slice(0, most_rows).map(t =>
  `<tr>${columns.map(name => `<td>${escaped(tasks.data[name][t])}</td>`).join("")}</tr>`)
const more = rows.length < picked.data.task.length ? `, the first ${rows.length} of them` : ""
const head = columns.map(name => `<th>${name}</th>`).join("")
table.text = !rows.length ? "" : `<h3>${number(picked.data.task.length)} selected${more}</h3>` +
  `<div class="wide"><table><thead><tr>${head}</tr></thead><tbody>${rows.join("")}</tbody></table></div>`
