// Names as long as their boxes are wide, whatever the window and the zoom, cut as brief.py does it.
// Told: figure, boxes, and how wide a box and its margin are, in the figure's columns.

const {start, end} = figure.x_range
if (!figure.inner_width || end <= start) return
const room = inside * figure.inner_width / (end - start)
const pen = document.createElement("canvas").getContext("2d")
function wide(text, look) {
  pen.font = `${look} ${font}`
  return pen.measureText(text).width
}

function cut(name, most, shared) {
  if (name.length <= most) return name
  if (shared < most - 1) return name.slice(0, most - 1) + "…"
  const head = name.slice(0, Math.floor(most / 3)) + "…", left = most - head.length
  const begin = Math.min(shared - Math.floor(left / 3), name.length - left)
  const rest = name.slice(begin, begin + left)
  return head + (rest.length + begin == name.length ? rest : rest.slice(0, -1) + "…")
}

function fitting(name, shared) {
  let most = Math.min(name.length, Math.ceil(room / 3))
  while (most >= least && wide(cut(name, most, shared), bold) > room) most -= 1
  return most >= Math.min(least, name.length) ? cut(name, most, shared) : ""
}

const {full, alike, longest} = boxes.data
boxes.data.name = Array.from(full, (name, place) => fitting(name, alike[place]))
boxes.data.seen = Array.from(longest, told => wide(told, plain) <= room ? 1 : 0)
boxes.change.emit()
const read = boxes.data.name.every((name, place) => name || !full[place])
figure.title.text = read ? title : `${title}: zoom in or hover`
