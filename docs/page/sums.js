// ---------------------------------------------------------------- two units in numbers
// The lines are those of minilstm/functional/lstm.py; backward takes them in reverse.
const SMALL = {
  W: [.6, -.4, .5, .3, .9, -.7, .4, .8], // (8,) one feature: i i f f g g o o
  R: [[.2, -.3], [.4, .1], [-.2, .5], [.3, -.1], [.5, .6], [-.8, .2], [.1, -.4], [.2, .3]], // (8, 2)
  b: [0, 0, 1, 1, 0, 0, 0, 0], x: [1, -.5, .8], y: [.5, -.3],
};
const sigma = v => 1 / (1 + Math.exp(-v)), two = f => [f(0), f(1)], ROWS = ["zi", "zf", "zg", "zo", "i", "f", "o", "g", "c", "h"];
// All numbers of a pass, forward and backward: v and d by row, step and unit.
function passes({W, R, b, x, y}) {
  const T = x.length, v = Object.fromEntries(ROWS.map(r => [r, []])), d = Object.fromEntries(ROWS.map(r => [r, []]));
  for (let t = 0; t < T; t++) {
    const h = t ? v.h[t - 1] : [0, 0], c = t ? v.c[t - 1] : [0, 0];
    ["zi", "zf", "zg", "zo"].forEach((r, k) => { v[r][t] = two(j => W[2 * k + j] * x[t] + R[2 * k + j][0] * h[0] + R[2 * k + j][1] * h[1] + b[2 * k + j]); });
    for (const r of ["i", "f", "o"]) v[r][t] = two(j => sigma(v[`z${r}`][t][j]));
    v.g[t] = two(j => Math.tanh(v.zg[t][j]));
    v.c[t] = two(j => v.f[t][j] * c[j] + v.i[t][j] * v.g[t][j]);
    v.h[t] = two(j => v.o[t][j] * Math.tanh(v.c[t][j]));
  }
  const loss = .5 * v.h[T - 1].reduce((s, h, j) => s + (h - y[j]) ** 2, 0), dx = [];
  const dW = W.map(() => 0), dR = R.map(() => [0, 0]), db = b.map(() => 0);
  let dh = two(j => v.h[T - 1][j] - y[j]), dc = [0, 0];
  for (let t = T - 1; t >= 0; t--) {
    const h = t ? v.h[t - 1] : [0, 0], c = t ? v.c[t - 1] : [0, 0], tanh = two(j => Math.tanh(v.c[t][j]));
    d.h[t] = dh;
    d.o[t] = two(j => dh[j] * tanh[j]);
    d.c[t] = two(j => dc[j] + dh[j] * v.o[t][j] * (1 - tanh[j] ** 2));
    d.f[t] = two(j => d.c[t][j] * c[j]);
    d.i[t] = two(j => d.c[t][j] * v.g[t][j]);
    d.g[t] = two(j => d.c[t][j] * v.i[t][j]);
    dc = two(j => d.c[t][j] * v.f[t][j]);
    d.zg[t] = two(j => d.g[t][j] * (1 - v.g[t][j] ** 2));
    for (const r of ["i", "f", "o"]) d[`z${r}`][t] = two(j => d[r][t][j] * v[r][t][j] * (1 - v[r][t][j]));
    const dz = ["zi", "zf", "zg", "zo"].flatMap(r => d[r][t]); // (8,)
    dh = two(k => dz.reduce((s, q, j) => s + q * R[j][k], 0));
    dx[t] = dz.reduce((s, q, j) => s + q * W[j], 0);
    dz.forEach((q, j) => { dW[j] += q * x[t]; db[j] += q; dR[j][0] += q * h[0]; dR[j][1] += q * h[1]; });
  }
  return {v, d, dx, loss, dW, dR, db, dh0: dh, dc0: dc};
}
// The calculation line by line: [number of the equation, step, forward?]
const LINES = [];
for (let t = 0; t < 3; t++) for (let n = 1; n <= 5; n++) LINES.push([n, t, true]);
LINES.push([0, 2, true]);
for (let t = 2; t >= 0; t--) for (let n = 5; n >= 1; n--) LINES.push([n, t, false]);
LINES.push([6, 0, false]);
const OF = {1: ["zi", "zf", "zg", "zo"], 2: ["i", "f", "o"], 3: ["g"], 4: ["c"], 5: ["h"]};
// What a backward line finds: gradients by row.
const FINDS = {5: ["o", "c"], 4: ["f", "i", "g"], 3: ["zg"], 2: ["zi", "zf", "zo"], 1: ["x"]};
const EQUATION = {
  1: "z = W x + R h before + b", 2: "i, f, o = σ(z)", 3: "g = tanh(z of g)", 4: "c = f · c before + i · g", 5: "h = o · tanh(c)",
};
const CHAIN = {
  5: "do = dh · tanh(c),  dc = dc from the next step + dh · o · (1 − tanh(c)²)",
  4: "df = dc · c before,  di = dc · g,  dg = dc · i,  dc before = dc · f",
  3: "dz of g = dg · (1 − g²)", 2: "dz = di · i (1 − i), the same for f and o", 1: "dh before = Rᵀ dz,  dx = Wᵀ dz",
};
let all = passes(SMALL), reached = 0, clock = 0;
const n3 = v => minus(Math.abs(v) >= .001 || v === 0 ? v.toFixed(3) : v.toExponential(0)), q3 = v => v < 0 ? `(${n3(v)})` : n3(v);
const sub = t => "₁₂₃"[t];
const ORDER = [["zi", 1], ["zf", 1], ["zg", 1], ["zo", 1], ["i", 2], ["f", 2], ["o", 2], ["g", 3], ["c", 4], ["h", 5]];
get("table").innerHTML += `<thead><tr><th></th>${[1, 2, 3].map(t => `<th colspan="2" scope="colgroup">step ${t}</th>`).join("")}</tr>`
  + `<tr><th><span class="heard">line</span></th>${"<th scope=\"col\">unit 1</th><th scope=\"col\">unit 2</th>".repeat(3)}</tr></thead><tbody>`
  + `<tr><th scope="row"><b>x</b></th>${[0, 1, 2].map(t => `<td colspan="2" id="x-${t}-0"></td>`).join("")}</tr>`
  + ORDER.map(([r, n]) => `<tr><th scope="row">(${n}) <b>${r[1] ? `z<sub>${r[1]}</sub>` : r}</b></th>`
    + [0, 1, 2].flatMap(t => [0, 1].map(j => `<td id="${r}-${t}-${j}"></td>`)).join("") + "</tr>").join("") + "</tbody>";
// Which lines have shown a value and a gradient of a row at a step.
function places(row, t) {
  const n = ORDER.find(p => p[0] === row)?.[1];
  const v = row === "x" ? 0 : LINES.findIndex(l => l[2] && l[0] === n && l[1] === t) + 1;
  const back = row === "h" ? t === 2 ? [0, 2] : [1, t + 1] : [+Object.keys(FINDS).find(k => FINDS[k].includes(row)), t];
  const d = LINES.findIndex(l => l[0] === back[0] && l[1] === back[1] && (l[0] === 0 || !l[2])) + 1;
  return [v, d];
}
function explain([n, t, ahead]) {
  const {v, d} = all, c = t ? v.c[t - 1] : [0, 0], h = t ? v.h[t - 1] : [0, 0], out = [];
  const each = f => [0, 1].forEach(j => out.push(`unit ${j + 1}: ${f(j)}`));
  if (n === 0) {
    out.push(`L = ${n3(all.loss)}`); each(j => `dh = h − y = ${n3(v.h[2][j])} − ${q3(SMALL.y[j])} = ${n3(d.h[2][j])}`);
    return ["The loss, and where backward starts", "dL/dh₃ = h₃ − y", out];
  }
  if (n === 6) return ["The weights", "dW = Σ dz xᵀ,  dR = Σ dz h beforeᵀ,  db = Σ dz", ["Each sum runs over the three steps; see the table below."]];
  const gates = (names, f) => names.forEach(r => each(j => f(r, j))), q = (r, j) => n3(v[r][t][j]);
  if (ahead) {
    if (n === 1) ["i", "f", "g", "o"].forEach((r, k) => each(j => `z of ${r} = ${n3(SMALL.W[2 * k + j])} · ${q3(SMALL.x[t])} + ${q3(SMALL.R[2 * k + j][0])} · ${q3(h[0])} + ${
      q3(SMALL.R[2 * k + j][1])} · ${q3(h[1])} + ${q3(SMALL.b[2 * k + j])} = ${q(`z${r}`, j)}`));
    if (n === 2) gates(["i", "f", "o"], (r, j) => `${r} = σ(${q(`z${r}`, j)}) = ${q(r, j)}`);
    if (n === 3) each(j => `g = tanh(${q("zg", j)}) = ${q("g", j)}`);
    if (n === 4) each(j => `c = ${q("f", j)} · ${q3(c[j])} + ${q("i", j)} · ${q3(v.g[t][j])} = ${q("c", j)}`);
    if (n === 5) each(j => `h = ${q("o", j)} · tanh(${q("c", j)}) = ${q("h", j)}`);
    return [`Forward, step ${t + 1}, line (${n})`, EQUATION[n], out];
  }
  const p = (r, j) => n3(d[r][t][j]);
  if (n === 5) {
    each(j => `do = ${p("h", j)} · ${q3(Math.tanh(v.c[t][j]))} = ${p("o", j)}`);
    each(j => `dc = ${n3(t < 2 ? d.c[t + 1][j] * v.f[t + 1][j] : 0)} + ${q3(d.h[t][j])} · ${q("o", j)} · ${n3(1 - Math.tanh(v.c[t][j]) ** 2)} = ${p("c", j)}`);
  }
  if (n === 4) {
    each(j => `df = ${p("c", j)} · ${q3(c[j])} = ${p("f", j)}`);
    each(j => `di = ${p("c", j)} · ${q3(v.g[t][j])} = ${p("i", j)}`);
    each(j => `dg = ${p("c", j)} · ${q("i", j)} = ${p("g", j)}`);
    each(j => `dc before = ${p("c", j)} · ${q("f", j)} = ${n3(d.c[t][j] * v.f[t][j])}`);
  }
  if (n === 3) each(j => `dz of g = ${p("g", j)} · (1 − ${n3(v.g[t][j] ** 2)}) = ${p("zg", j)}`);
  if (n === 2) gates(["i", "f", "o"], (r, j) => `dz of ${r} = ${p(r, j)} · ${q(r, j)} · ${n3(1 - v[r][t][j])} = ${p(`z${r}`, j)}`);
  if (n === 1) { each(j => `dh before = ${n3(t ? d.h[t - 1][j] : all.dh0[j])}`); out.push(`dx = ${n3(all.dx[t])}`); }
  return [`Backward, step ${t + 1}, line (${n})`, `${EQUATION[n]}  gives  ${CHAIN[n]}`, out];
}
function reach(n) {
  reached = Math.max(0, Math.min(LINES.length, n));
  for (const row of ["x", ...ROWS]) for (let t = 0; t < 3; t++) for (let j = 0; j < (row === "x" ? 1 : 2); j++) {
    const cell = get(`${row}-${t}-${j}`), [v, d] = places(row, t), x = row === "x";
    const value = reached >= v ? n3(x ? SMALL.x[t] : all.v[row][t][j]) : "";
    const slope = reached >= d ? `<small>${n3(x ? all.dx[t] : all.d[row][t][j])}</small>` : "";
    cell.innerHTML = value + slope; cell.className = reached && (reached === v || reached === d) ? "new" : "";
  }
  const [title, rule, lines] = reached ? explain(LINES[reached - 1]) : ["Before the first line", "h₀ = c₀ = 0", ["Press ▸ or the right arrow key."]];
  get("line").innerHTML = `<b>${title}</b><code>${rule}</code>${lines.map(l => `<code${/z of [igo] = .*\+/.test(l) ? ' class="extra"' : ""}>${l}</code>`).join("")}`;
  get("place").textContent = reached === 0 ? "" : reached <= 16 ? "forward: down the lines" : "backward: the same lines, in reverse";
  const norms = [2, 1, 0].map(t => reached >= places("h", t)[1] ? Math.hypot(...all.d.h[t]) : null);
  get("flow").innerHTML = norms.map((v, k) => `<div class="score"><span>‖dh${sub(2 - k)}‖</span><div><span style="transform:scaleX(${
    v === null ? 0 : Math.min(1, v / (norms[0] || 1))})"></span></div><b>${v === null ? "" : n3(v)}</b></div>`).join("");
  const names = ["i", "f", "g", "o"].flatMap(k => [`${k} 1`, `${k} 2`]);
  get("weights").innerHTML = reached < LINES.length ? "" : `<table><thead><tr><th>unit</th><th>dW</th><th>dR, of h 1</th><th>of h 2</th><th>db</th></tr></thead>${
    names.map((k, j) => `<tr><th scope="row">${k}</th><td>${[all.dW[j], ...all.dR[j], all.db[j]].map(n3).join("</td><td>")}</td></tr>`).join("")}</table>`;
  get("small-at").value = reached; get("small-clock").textContent = `line ${reached} / ${LINES.length}`;
  get("small-at").setAttribute("aria-valuetext", `line ${reached} of ${LINES.length}: ${title}`);
  get("small-back").disabled = !reached; get("small-on").disabled = reached === LINES.length;
  if (reached === LINES.length) runs(false);
}
function runs(on) {
  clearInterval(clock); clock = 0; get("small-play").textContent = on ? "Pause" : "Play";
  if (on) clock = setInterval(() => reach(reached + 1), 900);
}
get("small-play").onclick = () => { const on = !clock; if (on && reached === LINES.length) reach(0); runs(on); };
get("small-back").onclick = () => { runs(false); reach(reached - 1); };
get("small-on").onclick = () => { runs(false); reach(reached + 1); };
get("small-at").oninput = e => { runs(false); reach(+e.target.value); };
get("small-bias").oninput = e => {
  SMALL.b[2] = SMALL.b[3] = +e.target.value;
  get("small-told").textContent = (e.target.value < 0 ? "" : "+") + minus(e.target.value); all = passes(SMALL); reach(reached);
};
document.querySelectorAll("#inputs input[type=number]").forEach((e, t) => {
  e.value = SMALL.x[t];
  e.oninput = () => {
    const ok = e.value !== "" && Number.isFinite(+e.value) && Math.abs(+e.value) <= 100;
    e.setAttribute("aria-invalid", !ok);
    get("small-said").textContent = ok ? "" : `x of step ${t + 1} is no number from −100 to 100; ${n3(SMALL.x[t])} stays.`;
    if (ok) { SMALL.x[t] = +e.value; all = passes(SMALL); reach(reached); }
  };
});
reach(0);
// For the console, and for the tests: what the pictures show.
window.lab = {
  SMALL, work, CLASSES, get all() { return all; }, get t() { return t; }, get T() { return T; }, get ready() { return shown().done >= t; },
  signal: () => Array.from(X.subarray(0, 3 * T)), take, seek,
  steps: (from, to) => { const r = shown(); r.need(from, to); return Array.from({length: to - from}, (_, n) => Array.from(r.at(from + n))); },
};
