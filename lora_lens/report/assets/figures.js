// Drawing: every figure from the numbers in the page, again whenever a switch, the theme or its size changes.

const DATA = JSON.parse(document.getElementById("data").textContent);
const CONFIG = { displayModeBar: false, displaylogo: false, responsive: false, doubleClick: false };

function axis(extra) {
  return {
    color: colour("muted"), gridcolor: colour("line"), linecolor: colour("line"), zeroline: false,
    fixedrange: true, tickfont: { size: 11 }, ...extra,
  };
}

/* As many labels as stand beside each other upright. */
function ticks(room) {
  return Math.max(2, Math.floor(room / 28));
}

function title(text) {
  return { text, font: { size: 12 }, standoff: 6 };
}

function layoutOf(canvas, extra) {
  return {
    width: canvas.clientWidth, height: canvas.clientHeight,
    margin: { l: 44, r: 8, t: 6, b: 40 }, dragmode: false,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, color: colour("ink"), size: 12 },
    hoverlabel: { bgcolor: colour("panel"), bordercolor: colour("muted"), align: "left",
      font: { color: colour("ink"), size: 13 } },
    ...extra,
  };
}

function stateOf(part) {
  const form = document.querySelector(`[data-controls="${part}"]`);
  const state = {};
  if (!form) return state;
  for (const one of form.elements) {
    if (one.type === "radio") { if (one.checked) state[one.dataset.switch] = one.value; }
    else if (one.type === "checkbox") state[one.name] = one.checked;
    else if (one.dataset.switch) state[one.dataset.switch] = one.value;
  }
  return state;
}

function cellText(value, free) {
  if (value === null) return "";
  if (free && value >= 0.995) return value.toFixed(value < 9.95 ? 1 : 0);
  if (Math.abs(value) >= 0.995) return value < 0 ? "−1" : "1";
  return value.toFixed(2).replace(/^(-?)0\./, "$1.").replace("-", "−");
}

function inPercent(value) {
  const text = (100 * value).toFixed(1);
  return Number(text) === 0 ? "0.0" : text.replace("-", "−");
}

/* Relative luminance of #rrggbb. */
function luminance(hex) {
  const [r, g, b] = [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16) / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/* Black or white on a place of the ramp, whichever is read better: plotly's own grey on teal is 3.1 : 1. */
function inkOn(stops, place) {
  const at = Math.min(Math.max(place, 0), 1);
  const k = Math.max(1, stops.findIndex(([end]) => end >= at));
  const [[from, one], [to, other]] = [stops[k - 1], stops[k]];
  const share = (at - from) / (to - from);
  const mixed = `#${[1, 3, 5].map((j) => {
    const [a, b] = [one, other].map((hex) => parseInt(hex.slice(j, j + 2), 16));
    return Math.round(a + share * (b - a)).toString(16).padStart(2, "0");
  }).join("")}`;
  return luminance(mixed) > 0.179 ? "#000" : "#fff";
}

function cellTexts(grid, view, columns, rows, written, size) {
  const stops = ramp(view.colours);
  const cells = grid.flatMap((row, r) => row.map((value, c) => ({ value, x: columns[c], y: rows[r] })))
    .filter((one) => one.value !== null);
  return {
    type: "scatter", mode: "text", x: cells.map((one) => one.x), y: cells.map((one) => one.y),
    text: cells.map((one) => written(one.value)), hoverinfo: "skip", showlegend: false,
    textfont: { size, color: cells.map((one) => inkOn(stops, (one.value - view.low) / (view.high - view.low))) },
  };
}

function figuresOf(part) {
  return [...document.querySelectorAll(`[data-part="${part}"]`)].map((one) => DATA[one.dataset.figure]);
}

function mapsOf(part) {
  return figuresOf(part).filter((one) => one.kind !== "lines");
}

/* One scale for all maps of a part, its end rounded up to what is written beside it. */
function viewInPart(spec, canvas, state) {
  const view = heatView(spec, state);
  if (!state.stretch) return view;
  const most = Math.max(...mapsOf(canvas.dataset.part).map((one) => heatView(one, state).high));
  const high = Math.ceil(100 * most - 1e-6) / 100;
  return { ...view, high, low: view.low < 0 ? -high : view.low };
}

/* The numbers without those of a thing with itself, which are grey. */
function besides({ z, frame }) {
  return frame.diagonal ? z.map((row, r) => row.map((value, c) => (r === c ? null : value))) : z;
}

function heatmap(spec, canvas, state) {
  const view = viewInPart(spec, canvas, state);
  const { rows, columns } = view.frame;
  const room = canvas.clientWidth / columns.length;
  const labelled = rows.length <= MOST_LABELLED && room > 24;
  canvas.dataset.labelled = labelled ? "yes" : "";
  const gap = room > 10 ? 1 : 0; // lines between small cells would wash their colours out
  const texts = [];
  const trace = {
    type: "heatmap", x: columns, y: rows, z: besides(view), zmin: view.low, zmax: view.high,
    colorscale: ramp(view.colours), showscale: false, xgap: gap, ygap: gap, hoverongaps: false,
    customdata: view.hover, hovertemplate: "%{customdata}<extra></extra>",
  };
  if (labelled) {
    const free = view.frame.free && view.high !== 1;
    const percent = view.colours === "both" && view.high <= 0.1; // two decimals would leave ".00"
    const written = (value) => (value === null ? "" : percent ? inPercent(value) : cellText(value, free));
    texts.push(cellTexts(besides(view), view, columns, rows, written, room > 34 ? 12 : 10));
  }
  const labels = { type: "category", showgrid: false, ticks: "", showline: false };
  const layout = layoutOf(canvas, {
    plot_bgcolor: colour("line"),
    xaxis: axis({ ...labels, title: title(spec.x), nticks: ticks(canvas.clientWidth) }),
    yaxis: axis({ ...labels, title: title(spec.y), autorange: "reversed", nticks: ticks(canvas.clientHeight) }),
  });
  return { data: [trace, ...texts], layout, view };
}

/* One axis for panels of a part that measure the same, from 0 to above the highest of their numbers. */
function endsInPart(spec, canvas) {
  const highest = ({ data, shapes }) => Math.max(
    ...data.flatMap(({ y, base }) => y.map((one, k) => (base ? base[k] : 0) + one)),
    ...shapes.filter((one) => one.xref === "paper").map((one) => one.y0));
  const alike = figuresOf(canvas.dataset.part).filter((one) => one.kind === "lines" && one.y === spec.y);
  return [0, 1.05 * Math.max(0, ...alike.map(highest)) || 1];
}

function lines(spec, canvas) {
  const along = spec.named ? { type: "category", nticks: ticks(canvas.clientWidth) }
    : spec.logAlong ? { type: "log" } : {};
  const up = spec.log ? { type: "log" } : spec.zero ? { range: endsInPart(spec, canvas) } : {};
  const layout = layoutOf(canvas, {
    xaxis: axis({ ...along, title: title(spec.x), showgrid: false }),
    yaxis: axis({ ...up, title: title(spec.y) }),
    legend: { orientation: "h", y: -0.22, yanchor: "top", x: 0, font: { size: 11 } },
    barmode: "overlay", hovermode: "closest", shapes: spec.shapes,
  });
  layout.margin.b = 84;
  layout.margin.l = 60; // numbers of five signs, and the label beside them
  return { data: spec.data, layout };
}

/* A new datarevision each time: when it draws the same data twice at once (a window made wider and narrower),
   Plotly.react 7.1 falls back to an empty axis' range, and the labels say other numbers than the marks. */
let drawn = 0;

function draw(canvas) {
  const spec = DATA[canvas.dataset.figure];
  const state = stateOf(canvas.dataset.part);
  const made = spec.kind === "lines" ? lines(spec, canvas) : heatmap(spec, canvas, state);
  made.layout.datarevision = ++drawn;
  Plotly.react(canvas, made.data, made.layout, CONFIG);
  if (made.view) say(canvas, spec, made.view, state);
}

/* The line under the switches, and the words of the figure for those who do not see it. */
function say(canvas, spec, view, state) {
  const shown = document.querySelector(`#${canvas.dataset.part} .shown`);
  if (!shown) return;
  const stops = ramp(view.colours).map(([place, one]) => `${one} ${100 * place}%`).join(", ");
  shown.querySelector(".bar").style.background = `linear-gradient(to right, ${stops})`;
  const ends = mapsOf(canvas.dataset.part).map((one) => viewInPart(one, canvas, state));
  const same = ends.every((one) => one.high === ends[0].high);
  const digits = view.high >= 1 ? 0 : 2;
  const percent = view.colours === "both" && view.high <= 0.1;
  const written = (value) => (percent ? `${inPercent(value)} %` : view.frame.free && view.high !== 1 ? value.toPrecision(3) : value.toFixed(digits));
  shown.querySelector(".low").textContent = same ? (view.low === 0 ? "0" : written(view.low)) : "low";
  shown.querySelector(".high").textContent = same ? written(view.high) : "high";
  shown.querySelector(".what").textContent = percent && canvas.dataset.labelled ? `${view.words} In the cells: percent.` : view.words;
  if (!canvas.dataset.alt) canvas.dataset.alt = canvas.getAttribute("aria-label");
  canvas.setAttribute("aria-label", `${canvas.dataset.alt} Shown now: ${view.words}`);
}

const canvases = [...document.querySelectorAll(".canvas")];
const drawAll = () => canvases.forEach(draw);
themeListeners.push(drawAll);

for (const form of document.querySelectorAll(".controls")) {
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", () => {
    canvases.filter((one) => one.dataset.part === form.dataset.controls).forEach(draw);
  });
}

const resized = new ResizeObserver((entries) => {
  if (document.documentElement.classList.contains("printing")) return;
  for (const { target } of entries) {
    const { width, height } = target.layout || {};
    if (width !== target.clientWidth || height !== target.clientHeight) draw(target);
  }
});

themeChanged();
canvases.forEach((canvas) => resized.observe(canvas));
