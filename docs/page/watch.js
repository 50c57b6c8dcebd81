// ---------------------------------------------------------------- the signal
let X = new Float32Array(0), T = 0, t = 0, truth = null, unit = 0, playing = false, low = -150, high = 150;
let trained = new Run(null), changed = null, live = false, dirty = true, owed = 0, before = 0, stretch = 0;
const shown = () => changed ?? trained;
const say = text => { get("said").textContent = text; };
const decoded = (text, Kind) => new Kind(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
const RECORDED = decoded(FACTS.signal, Float32Array), REST = FACTS.rest;
function load(values, labels = null, at = 0) {
  X = values; T = X.length / 3; truth = labels; t = Math.min(at, T); live = false; playing = false;
  low = -150; high = 150;
  for (const v of X) { if (v < low) low = v; if (v > high) high = v; }
  low = Math.max(low, -1e5); high = Math.min(high, 1e5);
  stretch = 0; anew(0);
}
function anew(n) { trained.back(n); changed?.back(n); refresh(); }
const made = (steps, value) => Float32Array.from({length: 3 * steps}, (_, k) => value(Math.floor(k / 3), k % 3));
const SIGNALS = {
  recorded: () => load(RECORDED.slice(), FACTS.labels, 150),
  still: () => load(made(300, (n, k) => REST[k])),
  swing: () => load(made(300, (n, k) => REST[k] + [30, 40, 30][k] * Math.sin(n * [.55, 1.1, .55][k] + k))),
  none: () => { load(new Float32Array(0)); say("The signal is empty: draw on it, or choose another."); },
};
get("signal").onchange = e => { say(""); get("rows").value = ""; SIGNALS[e.target.value]?.(); };
function chosen(value) { const o = get("signal"); [...o.options].find(a => a.value === value).hidden = false; o.value = value; }
const isNumber = c => /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(c) && Number.isFinite(Math.fround(+c));
// Text to rows, a slice at a time: a million lines leave the page awake.
async function take(text) {
  const bad = [];
  let out = new Float32Array(3072), n = 0, k = 0, until = performance.now() + 8;
  for (let from = 0, to; from < text.length; from = to + 1, k++) {
    to = text.indexOf("\n", from);
    if (to < 0) to = text.length;
    if (k % 256 === 0 && performance.now() > until) {
      say(`Reading: ${Math.round(100 * from / text.length)} %`);
      await new Promise(r => setTimeout(r)); until = performance.now() + 8;
    }
    const line = text.slice(from, to).trim();
    if (!line) continue;
    if (n + 3 > out.length) { const more = new Float32Array(2 * n); more.set(out); out = more; }
    const cells = line.split(/[\s,;]+/);
    if (cells.length === 3 && cells.every(isNumber)) { for (let j = 0; j < 3; j++) out[n++] = +cells[j]; }
    else if (bad.length || n || !cells.every(c => /^[a-z_]+$/i.test(c) && c.toLowerCase() !== "nan")) bad.push(k + 1);
  }
  if (!n) return say(bad.length ? `Line ${bad[0]} holds no three finite numbers, nor does any other; a row is x, y, z.`
    : "The text is empty; give a row a step, as 2.1, -98.4, 11.0.");
  chosen("own"); load(out.slice(0, n), null, 1);
  say(bad.length ? `Line ${bad[0]}${bad.length > 1 ? ` and ${bad.length - 1} more` : ""} of ${k} left out: `
    + "no three finite numbers." : "");
}
get("run").onclick = () => take(get("rows").value);
get("file").onchange = e => e.target.files[0]?.text().then(take);
// A phone: the last motion of each tenth of a second; its y points up at rest, the recordings' y down.
let felt = null;
const feel = e => { const a = e.accelerationIncludingGravity; if (a) felt = [a.x, a.y, a.z].map(v => -100 * v / 9.80665); };
get("shake").onclick = async () => {
  if (!window.DeviceMotionEvent) return say("No motion sensor here; open the page over https on a phone.");
  const asked = DeviceMotionEvent.requestPermission;
  if (asked && await asked.call(DeviceMotionEvent).catch(() => "") !== "granted") return say("Motion was not allowed.");
  removeEventListener("devicemotion", feel); felt = null; addEventListener("devicemotion", feel);
  chosen("phone"); load(new Float32Array(0)); live = true; say("Move the phone.");
  setTimeout(() => { if (live && !T) say("This device gives no motion; try a phone, over https."); }, 1500);
};
setInterval(() => {
  if (!live || !felt || !felt.every(Number.isFinite) || T > 36000) return;
  if (!T) say("");
  put(T, felt); t = T; refresh();
}, 100);
// Step n becomes a row; the buffer grows by doubling.
function put(n, row) {
  if (3 * n >= X.length || 3 * T === X.length) { const more = new Float32Array(Math.max(768, 2 * X.length)); more.set(X); X = more; }
  X.set(row, 3 * n); T = Math.max(T, n + 1);
  for (const v of row) { low = Math.min(low, v); high = Math.max(high, v); }
}

// ---------------------------------------------------------------- pictures
const COLOURS = {};
function colours() {
  const css = getComputedStyle(document.documentElement);
  for (const n of ["paper", "panel", "ink", "soft", "line", "tint", "was", "i", "f", "g", "o", "c", "h"])
    COLOURS[n] = css.getPropertyValue(`--${n}`).trim();
  refresh();
}
const minus = text => text.replaceAll("-", "−");
const LEFT = 62, refresh = () => { dirty = true; };
// A canvas as sharp as the screen, cleared.
function sheet(c) {
  const W = c.clientWidth, tall = +c.dataset.tall, r = devicePixelRatio, g = c.getContext("2d");
  if (c.width !== Math.round(W * r) || c.height !== Math.round(tall * r)) {
    c.width = Math.round(W * r); c.height = Math.round(tall * r);
  }
  g.setTransform(r, 0, 0, r, 0, 0); g.clearRect(0, 0, W, tall);
  g.font = "12px system-ui, sans-serif"; g.textBaseline = "middle"; g.lineJoin = "round";
  return [g, W, tall];
}
// The first step in sight and how many there are.
function span() {
  const count = innerWidth < 600 ? 120 : 240;
  return [stretch || Math.max(0, Math.min(T - count, t - Math.round(count * .75))), count];
}
const place = (n, W) => { const [lo, count] = span(); return LEFT + (n - lo) * (W - LEFT) / count; };
function line(g, W, from, to, y, colour, wide = 1.8) {
  g.strokeStyle = colour; g.lineWidth = wide; g.beginPath();
  for (let n = from; n < to; n++) g.lineTo(place(n + .5, W), y(n));
  g.stroke();
}
function rule(g, W, y, text, colour = COLOURS.line) {
  g.strokeStyle = colour; g.lineWidth = 1; g.beginPath(); g.moveTo(LEFT, y); g.lineTo(W, y); g.stroke();
  g.fillStyle = COLOURS.soft; g.textAlign = "right"; g.fillText(text, LEFT - 8, y); g.textAlign = "left";
}
function cursor(g, W, tall) {
  if (!T) return;
  g.strokeStyle = COLOURS.ink; g.lineWidth = 1.5; g.beginPath(); g.moveTo(place(t, W), 0); g.lineTo(place(t, W), tall); g.stroke();
}
const labelAt = n => { let k = truth.length - 1; while (truth[k][0] > n) k--; return truth[k][1]; };
const level = v => 8 + (high - Math.max(low, Math.min(high, v))) / (high - low) * 140;
function drawSignal() {
  const [g, W, tall] = sheet(get("signal-view")), [lo, count] = span(), hi = Math.min(T, lo + count);
  const far = Math.max(Math.abs(low), high) > 800;
  if (far) [low, 0, high].forEach(v => rule(g, W, level(v), v === 0 ? "0" : minus(v.toPrecision(2))));
  else for (let v = Math.ceil(low / 100); v <= high / 100; v++) if (high - low < 450 || v % 2 === 0) rule(g, W, level(100 * v), `${v} g`.replace("-", "−"));
  for (const k of [2, 0, 1]) {
    const c = [COLOURS.i, COLOURS.c, COLOURS.f][k], y = n => level(X[3 * n + k]);
    g.globalAlpha = .3; line(g, W, Math.max(lo, t - 1), hi, y, c, 1.2);
    g.globalAlpha = 1; line(g, W, lo, Math.min(t, hi), y, c, 1.5);
  }
  g.fillStyle = COLOURS.soft; g.textAlign = "center";
  for (let s = Math.ceil(lo / 50) * 50; s < lo + count; s += 50) if (s > lo + 5 && s < lo + count - 5) g.fillText(`${s / 10} s`, place(s, W), tall - 8);
  g.textAlign = "left";
  if (!T) { g.font = "15px system-ui, sans-serif"; g.fillText("Draw here, from the left", LEFT + 16, level(60)); }
  cursor(g, W, tall - 18); get("told").hidden = !truth;
}
function drawScores(run) {
  const [g, W, tall] = sheet(get("scores-view")), [lo, count] = span(), hi = Math.min(run.done, t, lo + count), each = tall / OUTPUTS;
  CLASSES.forEach((word, k) => {
    const foot = (k + 1) * each - 2, size = each - 7, y = n => foot - size * run.at(n)[6 * H + k];
    if (truth) truth.forEach(([from, c], j) => {
      const a = Math.max(from, lo), b = Math.min(truth[j + 1]?.[0] ?? T, lo + count);
      if (c === k && a < b) { g.fillStyle = COLOURS.tint; g.fillRect(place(a, W), foot - size - 2, place(b, W) - place(a, W), size + 2); }
    });
    rule(g, W, foot, ""); g.fillStyle = COLOURS.soft; g.fillText(word, 0, foot - size / 2);
    if (hi <= lo) return;
    g.fillStyle = COLOURS.c; g.beginPath(); g.moveTo(place(lo + .5, W), foot);
    for (let n = lo; n < hi; n++) g.lineTo(place(n + .5, W), y(n));
    g.lineTo(place(hi - .5, W), foot); g.fill();
  });
  cursor(g, W, tall);
}
function drawCell(run) {
  const [g, W, tall] = sheet(get("cell-view")), [lo, count] = span(), hi = Math.min(run.done, t, lo + count);
  let most = 1;
  for (const r of changed ? [trained, changed] : [run]) for (let n = lo; n < Math.min(hi, r.done); n++) most = Math.max(most, Math.abs(r.at(n)[4 * H + unit]));
  most = most < 10 ? Math.ceil(most) : most * 1.05;
  const y = v => tall / 2 - v / most * (tall / 2 - 7), told = most < 1000 ? Math.floor(most) : most.toExponential(0);
  rule(g, W, y(most), `${told}`); rule(g, W, y(-most), `−${told}`); rule(g, W, y(0), "0", COLOURS.was);
  if (changed) { g.setLineDash([4, 3]); line(g, W, lo, Math.min(hi, trained.done), n => y(trained.at(n)[4 * H + unit]), COLOURS.was); g.setLineDash([]); }
  line(g, W, lo, hi, n => y(run.at(n)[5 * H + unit]), COLOURS.g, 1.3);
  line(g, W, lo, hi, n => y(run.at(n)[4 * H + unit]), COLOURS.c, 2.4);
  cursor(g, W, tall);
}
const small = document.createElement("canvas");
const rgb = text => [1, 3, 5].map(k => parseInt(text.slice(k, k + 2), 16));
function drawCells(run) {
  const [g, W, tall] = sheet(get("cells-view")), [lo, count] = span(), hi = Math.min(run.done, t, lo + count);
  const image = new ImageData(count, H), [paper, pos, neg] = ["panel", "i", "c"].map(n => rgb(COLOURS[n]));
  for (let n = lo; n < lo + count; n++) for (let j = 0; j < H; j++) {
    const v = n < hi ? run.at(n)[4 * H + j] : 0, a = Math.min(1, Math.abs(v) / 3), end = v > 0 ? pos : neg, k = 4 * (j * count + n - lo);
    for (let q = 0; q < 3; q++) image.data[k + q] = paper[q] + a * (end[q] - paper[q]);
    image.data[k + 3] = 255;
  }
  small.width = count; small.height = H; small.getContext("2d").putImageData(image, 0, 0);
  g.imageSmoothingEnabled = false; g.drawImage(small, LEFT, 0, W - LEFT, tall);
  const y = unit * tall / H;
  g.strokeStyle = COLOURS.ink; g.lineWidth = 1.5; g.strokeRect(LEFT, y, W - LEFT - 1, tall / H);
  g.fillStyle = COLOURS.soft; g.textAlign = "right"; g.fillText(`unit ${unit + 1}`, LEFT - 8, Math.min(tall - 8, Math.max(8, y + tall / H / 2)));
  cursor(g, W, tall);
}
const WORDS = {i: "input", f: "forget", g: "candidate", o: "output", c: "cell", h: "put out"};
get("gates").innerHTML = NAMES.map(n => `<div class="gate"><span style="border-color:var(--${n === "h" ? "g" : n === "g" ? "soft" : n})">`
  + `<b>${n}</b> ${WORDS[n]}<small id="v-${n}"></small></span><canvas id="b-${n}" data-tall="36" role="img" aria-label="${WORDS[n]} of all units"></canvas>`
  + ("ifo".includes(n) ? `<span role="radiogroup" class="segments" style="border:0;padding:0" aria-label="${WORDS[n]} gate held at">`
    + ["free", "0", "1"].map(v => `<label><input type="radio" name="hold-${n}" value="${v}"${v === "free" ? " checked" : ""}><span>${v}</span></label>`).join("")
    + "</span>" : "<span></span>") + "</div>").join("");
document.querySelectorAll("canvas").forEach(c => { c.style.height = `${c.dataset.tall}px`; });
get("bars").innerHTML = CLASSES.map((word, k) => `<div class="score"><span>${word}</span><div><span id="s-${k}"></span></div><b id="p-${k}"></b></div>`).join("");
const told = v => minus(Math.abs(v) < .0005 ? "0.000" : Math.abs(v) < 1000 ? v.toFixed(3) : v.toExponential(2));
function drawNow(run) {
  const n = Math.min(t, run.done) - 1, now = n < 0 ? new Float32Array(SLOT) : run.at(n);
  NAMES.forEach((name, b) => {
    const [g, W, tall] = sheet(get(`b-${name}`)), signed = "gch".includes(name), zero = signed ? tall / 2 : tall - 1;
    let most = 1;
    if (name === "c") for (let j = 0; j < H; j++) most = Math.max(most, Math.abs(now[4 * H + j]));
    g.fillStyle = COLOURS.line; g.fillRect(0, zero, W, 1);
    for (let j = 0; j < H; j++) {
      const v = now[b * H + j] / most * (signed ? tall / 2 - 1 : tall - 2), x = j * W / H;
      if (j === unit) { g.fillStyle = COLOURS.tint; g.fillRect(x, 0, W / H, tall); }
      g.fillStyle = COLOURS[name === "h" ? "g" : name === "g" ? "soft" : name];
      g.fillRect(x + .75, v > 0 ? zero - v : zero, Math.max(1, W / H - 1.5), Math.abs(v));
    }
    get(`v-${name}`).textContent = n < 0 ? "" : told(now[b * H + unit]);
  });
  let best = 0;
  CLASSES.forEach((_, k) => {
    const v = now[6 * H + k];
    if (v > now[6 * H + best]) best = k;
    get(`s-${k}`).style.transform = `scaleX(${v})`; get(`p-${k}`).textContent = n < 0 ? "" : `${Math.round(100 * v)} %`;
  });
  const text = n < 0 ? "Before the first step" : `${CLASSES[best]} ${Math.round(100 * now[6 * H + best])} %`;
  get("best").textContent = text;
  get("true").textContent = truth && n >= 0 ? `In truth: ${CLASSES[labelAt(n)]}` : "";
  get("effect").textContent = !changed ? "" : n < 0 ? "" : (() => {
    const as = trained.done > n ? trained.at(n) : null;
    if (!as) return "";
    let k = 0; CLASSES.forEach((_, j) => { if (as[6 * H + j] > as[6 * H + k]) k = j; });
    return `As trained it says ${CLASSES[k]} ${Math.round(100 * as[6 * H + k])} %.`;
  })();
  hear(n < 0 ? text : `${text}, ${(t / 10).toFixed(1)} seconds`, best);
  const past = n > 0 ? run.at(n - 1)[4 * H + unit] : 0, q = b => told(now[b * H + unit]), r = b => now[b * H + unit] < 0 ? `(${q(b)})` : q(b);
  get("sum").textContent = n < 0 ? "c = f · c before + i · g" : `c = f · c before + i · g = ${q(1)} · ${past < 0 ? `(${told(past)})` : told(past)} + ${q(0)} · ${r(2)} = ${q(4)}`;
}
// A screen reader hears a new class while it plays, and every step when it stands.
let lastHeard = "", lastBest = -1, waits = 0;
function hear(text, best) {
  if (text === lastHeard || playing && best === lastBest) return;
  lastHeard = text; lastBest = best; clearTimeout(waits);
  waits = setTimeout(() => { get("spoken").textContent = text; }, 300);
}

// ---------------------------------------------------------------- frames
const work = [];
function frame(now) {
  const start = performance.now();
  if (playing && !get("watch").hidden) {
    owed = Math.min(owed + (now - before) * +get("speed").value / 1000, 60);
    const on = Math.min(Math.floor(owed), T - t);
    owed -= Math.floor(owed);
    if (on) { t += on; dirty = true; }
    if (t >= T && !live) play(false);
  }
  before = now;
  const behind = [trained, changed].filter(r => r && r.done < t);
  for (const r of behind) r.advance(t, start + BUDGET / behind.length);
  if ((dirty || behind.length) && !get("watch").hidden) {
    dirty = false;
    const run = shown(), [lo, count] = span(), hi = Math.min(t, lo + count), from = Math.max(0, Math.min(lo, t - 1) - 1);
    if (run.done >= t) for (const r of [trained, changed]) if (r && r.done >= hi) r.need(from, Math.max(hi, t));
    if (run.done >= t) { drawScores(run); drawCell(run); drawCells(run); drawNow(run); }
    drawSignal();
    get("at").max = T; get("at").value = t;
    get("at").setAttribute("aria-valuetext", `step ${t} of ${T}`);
    get("clock").textContent = run.done < t ? `computing ${Math.floor(100 * run.done / t)} %` : `${t.toLocaleString("en")} / ${T.toLocaleString("en")}`;
    get("play").disabled = !T; get("back").disabled = t === 0; get("on").disabled = t >= T;
    work.push(performance.now() - start);
    if (work.length > 600) work.shift();
    window.firstPicture ??= performance.now();
  }
  requestAnimationFrame(frame);
}
function play(on) {
  playing = on; owed = 0; get("play").textContent = on ? "Pause" : "Play"; refresh();
}
function seek(n) { t = Math.max(0, Math.min(T, n)); live = false; refresh(); }
get("play").onclick = () => { if (!playing && t >= T) seek(0); play(!playing); };
get("back").onclick = () => { play(false); seek(t - 1); };
get("on").onclick = () => { play(false); seek(t + 1); };
get("at").oninput = e => { play(false); seek(+e.target.value); };

// ---------------------------------------------------------------- changes
function change() {
  const of = name => document.querySelector(`input[name=${name}]:checked`).value;
  const held = ["i", "f", "g", "o"].map((n, b) => n === "g" ? null : [b, of(`hold-${n}`)]).filter(p => p && p[1] !== "free").map(([b, v]) => [b, +v]);
  const bias = +get("bias").value, one = of("scope") === "one" ? unit : -1;
  get("bias-told").textContent = (bias < 0 ? "−" : "+") + Math.abs(bias);
  const any = held.length > 0 || bias !== 0;
  changed = any ? new Run({held, bias, unit: one}) : null;
  get("undo").disabled = !any; get("before").hidden = !any; refresh();
}
get("gates").onchange = get("bias").oninput = change;
document.querySelectorAll("input[name=scope]").forEach(e => { e.onchange = change; });
get("undo").onclick = () => {
  document.querySelectorAll("#gates input[value=free]").forEach(e => { e.checked = true; });
  get("bias").value = 0; change(); get("play").focus();
};
function follow(n) {
  unit = Math.max(0, Math.min(H - 1, n)); get("unit").value = get("which").textContent = unit + 1;
  if (changed?.change.unit >= 0) change(); else refresh();
}
get("unit").onchange = e => follow((Math.round(+e.target.value) || 1) - 1);
get("gates").onclick = e => { if (e.target.tagName === "CANVAS") follow(Math.floor(e.offsetX / e.target.clientWidth * H)); };
get("cells-view").onclick = e => follow(Math.floor(e.offsetY / e.target.clientHeight * H));

// ---------------------------------------------------------------- the pen, and scrubbing
const stepAt = e => { const [lo, count] = span(); return Math.floor(lo + (e.offsetX - LEFT) * count / (e.target.clientWidth - LEFT)); };
let last = null;
const pen = get("signal-view");
pen.onpointerdown = e => {
  if (!T && !truth) say("");
  play(false); live = false; stretch = span()[0] || 1e-9; last = null; pen.setPointerCapture(e.pointerId); pen.onpointermove(e);
};
pen.onpointermove = e => {
  if (!stretch) return;
  const axis = +document.querySelector("input[name=pen]:checked").value, y = Math.max(8, Math.min(148, e.offsetY));
  const value = high - (y - 8) / 140 * (high - low), [lo, count] = span();
  const n = Math.max(0, Math.min(stepAt(e), Math.floor(lo + count) - 1)), from = last ? last[0] : Math.min(n, T);
  const was = last ? last[1] : value, first = Math.min(from, n, T), steps = Math.abs(n - from);
  while (T < n) put(T, T ? X.slice(3 * T - 3, 3 * T) : REST);
  for (let k = 0; k <= steps; k++) {
    const m = from + Math.sign(n - from) * k, row = m < T ? X.slice(3 * m, 3 * m + 3) : T ? X.slice(3 * T - 3, 3 * T) : Float32Array.from(REST);
    row[axis] = steps ? was + (value - was) * k / steps : value; put(m, row);
  }
  last = [n, value]; truth = null; chosen("own"); t = Math.max(t, Math.min(T, n + 1)); anew(Math.min(first, trained.done));
};
pen.onpointerup = pen.onpointercancel = () => { stretch = 0; refresh(); };
for (const id of ["scores-view", "cell-view"]) {
  const scrub = e => { if (!e.buttons) return;
    stretch ||= span()[0] || 1e-9; play(false);
    const [lo, count] = span(); seek(Math.floor(Math.max(lo, Math.min(lo + count, stepAt(e) + 1)))); };
  get(id).onpointerdown = e => { e.target.setPointerCapture(e.pointerId); scrub(e); };
  get(id).onpointermove = scrub;
  get(id).onpointerup = get(id).onpointercancel = () => { stretch = 0; refresh(); };
}

// ---------------------------------------------------------------- tabs and keys
const tabs = [...document.querySelectorAll("[role=tab]")];
function tab(chosen) {
  play(false);
  tabs.forEach(a => {
    const on = a === chosen;
    a.setAttribute("aria-selected", on); a.tabIndex = on ? 0 : -1; get(a.getAttribute("aria-controls")).hidden = !on;
  });
  refresh();
}
tabs.forEach((a, n) => {
  // Arrow keys move between tabs for those who came by key, and between steps for those who pressed.
  a.onclick = e => { tab(a); if (e.detail) a.blur(); };
  a.onkeydown = e => {
    if (e.key !== "ArrowLeft" && e.key !== "ArrowRight") return;
    const other = tabs[1 - n]; tab(other); other.focus(); e.preventDefault(); e.stopPropagation();
  };
});
document.addEventListener("keydown", e => {
  if (e.ctrlKey || e.altKey || e.metaKey || /^(INPUT|SELECT|TEXTAREA|SUMMARY)$/.test(e.target.tagName)) return;
  if (e.key === " " && e.target.tagName === "BUTTON") return;
  const [p, b, o, move, end] = get("watch").hidden ? ["small-play", "small-back", "small-on", reach, LINES.length] : ["play", "back", "on", seek, T];
  const does = {" ": () => get(p).click(), ArrowLeft: () => get(b).click(), ArrowRight: () => get(o).click(),
    Home: () => move(0), End: () => move(end)}[e.key];
  if (does) { does(); e.preventDefault(); }
});
addEventListener("resize", refresh);
matchMedia("(prefers-color-scheme: dark)").onchange = colours;
const found = new Model().selfTest();
get("test").textContent = found < 0 ? `Self-test: other bits, ${-found} from the network.` : `Self-test: bits ${FACTS.bits}, as the network has them.`;
SIGNALS.recorded(); follow(FACTS.unit); colours(); requestAnimationFrame(frame);
