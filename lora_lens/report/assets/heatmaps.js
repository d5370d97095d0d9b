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

function signedText(value) {
  return value === null || value === undefined ? "–" : (value > 0 ? "+" : "") + value.toFixed(3);
}

function at(grid, row, column) {
  return Array.isArray(grid) ? grid[row][column] : grid;
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

/* {z, text, hover, low, high, colours, words}: one view of φ between layers beside a null. */
function similarityView(spec, state) {
  const n = spec.layers.length;
  const test = spec.nulls[state.null];
  const wanted = {
    phi: spec.phi,
    null: gridOf(n, n, (r, c) => at(test.mean, r, c)),
    excess: test.excess,
    p: test.p,
    p_bh: test.p_bh,
  }[state.view];
  const hover = gridOf(n, n, (r, c) => [
    `${spec.label}, layers ${spec.layers[r]} and ${spec.layers[c]}`,
    `φ = ${show(spec.phi[r][c])}`,
    `${state.null} null ${show(at(test.mean, r, c))} ± ${show(at(test.sd, r, c))}`,
    ...(r === c ? ["a layer with itself: not tested"] : [
      `excess ${signedText(test.excess[r][c])}`,
      `p = ${show(test.p[r][c])}; BH ${show(test.p_bh[r][c])}; max ${show(test.p_max[r][c])}`,
    ]),
  ].join("<br>"));
  return { z: wanted, hover, ...range(state, wanted, true), words: WORDS[state.view](state.null) };
}

const WORDS = {
  phi: () => "φ between layers: 0 orthogonal, 1 equal subspaces.",
  null: (name) => `φ that chance gives: the mean of the ${name} null.`,
  excess: (name) => `Excess over the ${name} null, (φ − null)/(1 − null): 0 is chance.`,
  p: (name) => `p against the ${name} null, of each pair by itself.`,
  p_bh: (name) => `p against the ${name} null after Benjamini-Hochberg over all pairs.`,
};

/* Colour limits: of the whole scale of the number, or of what is there if the reader stretches them. */
function range(state, grid, offDiagonal) {
  if (state.view.startsWith("p") && state.view !== "phi") return { low: 0, high: 1, colours: "p" };
  const most = state.stretch ? largest(grid, offDiagonal) || 1 : 1;
  return state.view === "excess"
    ? { low: -most, high: most, colours: "both" }
    : { low: 0, high: most, colours: "up" };
}

/* One view of φ(i, j); chance is max(i, j)/d. */
function ijView(spec, state) {
  const frame = spec.frames.find(
    (one) => one.matrix === state.matrix && one.layer === Number(state.layer));
  const chance = gridOf(frame.i.length, frame.j.length,
    (r, c) => Math.max(frame.i[r], frame.j[c]) / frame.dimension);
  const excess = gridOf(frame.i.length, frame.j.length,
    (r, c) => (chance[r][c] < 1 ? (frame.phi[r][c] - chance[r][c]) / (1 - chance[r][c]) : null));
  const wanted = { phi: frame.phi, null: chance, excess }[state.view];
  const hover = gridOf(frame.i.length, frame.j.length, (r, c) => [
    `${frame.matrix}, layer ${frame.layer}, i = ${frame.i[r]}, j = ${frame.j[c]}`,
    `φ = ${show(frame.phi[r][c])}`,
    `by chance ${show(chance[r][c])}, excess ${signedText(excess[r][c])}`,
  ].join("<br>"));
  const words = {
    phi: `φ of the top i directions of one and the top j of the other, ${frame.matrix}, layer ${frame.layer}.`,
    null: "φ that unrelated subspaces give, max(i, j)/d.",
    excess: "Excess over unrelated subspaces: 0 is chance.",
  }[state.view];
  return { z: wanted, hover, frame, ...range(state, wanted, false), words };
}

/* One view of the singular values of ΔW. */
function singularView(spec, state) {
  const energy = spec.values.map((row) => {
    const total = row.reduce((sum, s) => sum + (s === null ? 0 : s * s), 0);
    return row.map((s) => (s === null || total === 0 ? null : (s * s) / total));
  });
  const wanted = state.view === "energy" ? energy : spec.values;
  const hover = spec.values.map((row, r) => row.map((s, c) =>
    `layer ${spec.layers[r]}, singular value ${c + 1}<br>σ = ${s === null ? "–" : s.toPrecision(4)}` +
    `<br>share of energy ${show(energy[r][c])}`));
  return {
    z: wanted, hover, low: 0, high: largest(wanted, false) || 1, colours: "up",
    words: state.view === "energy" ? "σ²/Σσ² of each layer." : "Singular values of ΔW, largest first.",
  };
}
