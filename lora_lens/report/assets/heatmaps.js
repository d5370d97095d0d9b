// What a heat map shows in each of its views: numbers, colours, the text in the cells and on hover.

const RAMPS = {
  light: {
    up: [[0, "#f1f6f7"], [0.25, "#a9d9cb"], [0.5, "#4ca7b2"], [0.75, "#36638f"], [1, "#241a36"]],
    both: [[0, "#1f5f9e"], [0.25, "#8db9dd"], [0.5, "#f4f4f2"], [0.75, "#eba878"], [1, "#ad4a12"]],
  },
  dark: {
    up: [[0, "#1c242d"], [0.25, "#2b4a6b"], [0.5, "#34869f"], [0.75, "#5cc6ae"], [1, "#e2f7ea"]],
    both: [[0, "#7dbcf0"], [0.25, "#356a99"], [0.5, "#1f262e"], [0.75, "#9a5a30"], [1, "#f5a873"]],
  },
};
const MOST_LABELLED = 12;

function ramp(kind) {
  const ramps = RAMPS[isDark() ? "dark" : "light"];
  if (kind !== "p") return ramps[kind];
  const up = ramps.up.map((stop) => stop[1]);
  // Small p are what a reader looks for, so the ramp is steep there.
  return [[0, up[4]], [0.01, up[3]], [0.05, up[2]], [0.2, up[1]], [1, up[0]]];
}

function show(value, digits = 3) {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

/* Three decimals of what is at most 1, as the tables have them; four digits of what is not. */
function told(value, free) {
  return free && value !== null && Math.abs(value) >= 1 ? value.toPrecision(4) : show(value);
}

function gridOf(rows, columns, cell) {
  return Array.from({ length: rows }, (_, r) => Array.from({ length: columns }, (_, c) => cell(r, c)));
}

function largest(grid, offDiagonal) {
  let most = 0;
  grid.forEach((row, r) => row.forEach((value, c) => {
    if (value !== null && !(offDiagonal && r === c)) most = Math.max(most, Math.abs(value));
  }));
  return most;
}

/* What is chosen agrees with the switches that are there. */
function fits(chosen, state) {
  return Object.entries(chosen).every(([name, value]) => !(name in state) || state[name] === value);
}

/* A quantity of a map: a grid, or one number for all its cells. */
function quantity(spec, frame, name) {
  const values = spec.arrays[frame.quantities[name]];
  return (r, c) => (Array.isArray(values) ? values[r][c] : values);
}

/* The numbers that a view shows: a quantity, or how far one exceeds another. */
function shownBy(spec, frame, view) {
  const [one, over] = [view.shows].flat().map((name) => quantity(spec, frame, name));
  return gridOf(frame.rows.length, frame.columns.length, (r, c) => {
    const value = one(r, c);
    if (!over) return value;
    const chance = over(r, c);
    if ((frame.diagonal && r === c) || value === null || chance === null || chance >= 1) return null;
    return (value - chance) / (1 - chance);
  });
}

/* {z, hover, low, high, colours, words, frame, view}: what the switches choose of a figure's heat maps. */
function heatView(spec, state) {
  const frame = spec.frames.find((one) => one.views.some((view) => fits(view.chosen, state))) || spec.frames[0];
  const view = frame.views.find((one) => fits(one.chosen, state)) || frame.views[0];
  const z = shownBy(spec, frame, view);
  const hover = gridOf(frame.rows.length, frame.columns.length, (r, c) => view.hover.map((line) =>
    line.replace(/\{([^}]+)\}/g, (_, name) => {
      if (name === "row") return frame.rows[r];
      if (name === "column") return frame.columns[c];
      return told(quantity(spec, frame, name)(r, c), frame.free);
    })).join("<br>"));
  const fixed = !state.stretch || view.ramp === "p";
  const most = fixed ? view.high : largest(z, frame.diagonal) || view.high;
  const low = view.ramp === "both" ? -most : view.low;
  return { z, hover, low, high: most, colours: view.ramp, words: view.words, frame, view };
}
