// ---------------------------------------------------------------- the network, and what is changed in it
// The exporter's own cell runs every step; a change only gives it another bias or another gate function.
const get = id => document.getElementById(id), H = new Model().s[0].h.length, SLOT = 6 * H + OUTPUTS;
const NAMES = ["i", "f", "g", "o", "c", "h"], KEEP = 1024, MARK = 64, BUDGET = 7; // ms of work a frame
let acting = null;
const plainCell = cell;
cell = (x, W, fW, R, fR, b, s, gate, state) => {
  const {held, bias, unit} = acting ?? {};
  if (!acting) return plainCell(x, W, fW, R, fR, b, s, gate, state);
  const mine = j => unit < 0 || j % H === unit;
  acting.b ??= b.map((v, j) => j >= H && j < 2 * H && mine(j) ? v + bias : v);
  plainCell(x, W, fW, R, fR, acting.b, s, (z, from, to) => {
    gate(z, from, to);
    for (const [block, value] of held)
      for (let j = Math.max(from, block * H); j < Math.min(to, (block + 1) * H); j++) if (mine(j)) z[j] = value;
  }, state);
};
// A network along the signal. Every 64th state is kept, and the last 1024 steps whole: any step of a
// signal of a million is 64 steps away, and memory stays small.
class Run {
  constructor(change) {
    this.change = change; this.model = new Model(); this.ring = new Float32Array(KEEP * SLOT);
    this.stamps = new Int32Array(KEEP); this.back(0);
  }
  // Forget everything from step n on.
  back(n) {
    n = Math.min(n, this.done ?? 0);
    const m = n ? Math.floor((n - 1) / MARK) : 0;
    this.marks = n ? this.marks.slice(0, m + 1) : [];
    if (n) this.to(m * MARK); else { this.model.reset(); this.next = 0; }
    this.done = this.next; this.stamps.fill(-1);
  }
  // The state before step n, which is a multiple of 64.
  to(n) {
    const {h, c} = this.model.s[0], kept = this.marks[n / MARK];
    h.set(kept.subarray(0, H)); c.set(kept.subarray(H)); this.next = n;
  }
  one() {
    const s = this.model.s[0], n = this.next;
    if (n % MARK === 0 && !this.marks[n / MARK]) {
      const kept = new Float32Array(2 * H); kept.set(s.h); kept.set(s.c, H); this.marks[n / MARK] = kept;
    }
    acting = this.change;
    const scores = this.model.step(X.subarray(3 * n, 3 * n + 3)), at = n % KEEP * SLOT;
    acting = null;
    this.ring.set(s.z, at); this.ring.set(s.c, at + 4 * H); this.ring.set(s.h, at + 5 * H); this.ring.set(scores, at + 6 * H);
    this.stamps[n % KEEP] = n; this.next = n + 1;
    if (n === this.done) this.done = n + 1;
  }
  // On to step `until`, or until time is up.
  advance(until, end) {
    if (this.done < until && this.next !== this.done) this.need(this.done - 1, this.done);
    while (this.done < until) { this.one(); if (this.done % 32 === 0 && performance.now() > end) break; }
  }
  // Steps from..to stand in the ring afterwards.
  need(from, to) {
    to = Math.min(to, this.done);
    let n = Math.max(from, 0);
    while (n < to && this.stamps[n % KEEP] === n) n++;
    if (n >= to && this.next >= to) return;
    if (n >= to) n = to - 1;
    if (this.next > n || this.next < n - MARK) this.to(Math.floor(n / MARK) * MARK);
    while (this.next < to) this.one();
  }
  at(n) { return this.ring.subarray(n % KEEP * SLOT, n % KEEP * SLOT + SLOT); }
}
