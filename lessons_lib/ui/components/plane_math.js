// The maths of the plane, exact and pure: no document, no canvas. The formulas and their sources stand at the head of
// lessons_lib/lessons/plane.py; tests/test_plane.py runs this file in node and holds it against that one.

export const DOTS = 200; // that walk
export const HALF = 2.8; // the plane is seen from -HALF to HALF, top to bottom
export const MOST = 80; // dots that can be drawn
const DRAWN_STD = 0.16;
export const EDGE = 3; // of where dots are drawn
const GRID = 150; // a drawn dot lies on one of GRID x GRID places from -EDGE to EDGE

// ---- schedule (schedule.py) ----

export function cosine(T = 1000, maxBeta = 0.999) {
  const f = (u) => Math.cos((((u + 0.008) / 1.008) * Math.PI) / 2) ** 2;
  const table = new Float64Array(T);
  let product = 1;
  for (let t = 0; t < T; t++) {
    product *= 1 - Math.min(1 - f((t + 1) / T) / f(t / T), maxBeta);
    table[t] = product;
  }
  return table;
}

// alpha_bar at t from T - 1 to -1, the clean end; between two timesteps on the line that joins them
export function alphaBar(table, t) {
  const at = (k) => (k < 0 ? 1 : table[k]);
  const low = Math.floor(t),
    share = t - low;
  return share ? (1 - share) * at(low) + share * at(low + 1) : at(low);
}

export function spaced(n, T) {
  if (n === 1) return [T - 1, -1];
  const even = (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)); // halves as Python rounds them
  return [...Array.from({ length: n }, (_, i) => even(((T - 1) * (n - 1 - i)) / (n - 1))), -1];
}

// ---- noise by seed ----

// `count` standard normal numbers; each stream of a seed is its own. mulberry32 (Ettinger 2017), then Box and Muller
export function normals(seed, stream, count) {
  let state = (Math.imul(seed | 0, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b)) >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 4; i++) uniform();
  const out = new Float64Array(count);
  for (let i = 0; i < count; i += 2) {
    const r = Math.sqrt(-2 * Math.log(1 - uniform())),
      angle = 2 * Math.PI * uniform();
    out[i] = r * Math.cos(angle);
    if (i + 1 < count) out[i + 1] = r * Math.sin(angle);
  }
  return out;
}

// ---- mixtures (mixtures.py) ----

// {means, stds, weights, labels, blobs} as Mixture.as_lists() has them, in arrays
export function mixtureOf(lists) {
  return {
    size: lists.means.length,
    x: Float64Array.from(lists.means, (m) => m[0]),
    y: Float64Array.from(lists.means, (m) => m[1]),
    std: Float64Array.from(lists.stds),
    weight: Float64Array.from(lists.weights),
    label: Uint8Array.from(lists.labels),
    blob: Uint8Array.from(lists.blobs),
    blobs: Math.max(...lists.blobs, 0) + 1,
  };
}

// drawn dots {x, y, label} as the link has them, three characters each, and back
export const encode = (dots) =>
  dots.map(({ x, y, label }) => ((label * GRID + place(y)) * GRID + place(x)).toString(36).padStart(3, "0")).join("");

export function decode(text) {
  const dots = [];
  for (const three of text.match(/[0-9a-z]{3}/g) ?? []) {
    const n = parseInt(three, 36);
    if (n < 2 * GRID * GRID && dots.length < MOST)
      dots.push({ x: coordinate(n % GRID), y: coordinate(Math.floor(n / GRID) % GRID), label: Math.floor(n / GRID ** 2) });
  }
  return dots;
}

const place = (v) => Math.min(GRID - 1, Math.max(0, Math.round(((v + EDGE) / (2 * EDGE)) * (GRID - 1))));
const coordinate = (k) => (k / (GRID - 1)) * 2 * EDGE - EDGE;

// each class has half of the weight; all of it where only one was drawn
export function mixtureOfDots(dots) {
  const of = [0, 1].map((label) => dots.filter((d) => d.label === label).length);
  const share = of[0] && of[1] ? 0.5 : 1;
  return mixtureOf({
    means: dots.map((d) => [d.x, d.y]),
    stds: dots.map(() => DRAWN_STD),
    weights: dots.map((d) => share / of[d.label]),
    labels: dots.map((d) => d.label),
    blobs: dots.map((d) => d.label),
  });
}

// ---- what a perfect network says ----

// what all points of one noise level share
export function knownOf(mix, signal, noise) {
  const variance = new Float64Array(mix.size),
    gain = new Float64Array(mix.size),
    offset = new Float64Array(mix.size);
  for (let k = 0; k < mix.size; k++) {
    variance[k] = (signal * mix.std[k]) ** 2 + noise ** 2;
    gain[k] = (signal * mix.std[k] ** 2) / variance[k];
    offset[k] = Math.log(mix.weight[k]) - Math.log(variance[k]);
  }
  return { mix, signal, noise, variance, gain, offset, r: new Float64Array(mix.size) };
}

// E[x_0 | (x, y)] of one class, or of all data at label -1, into out[at] and out[at + 1]; known.r keeps how likely each
// Gaussian is. Returns log p of the point, up to what all points have in common.
export function clean(known, x, y, label, out, at = 0) {
  const { mix, signal, variance, gain, offset, r } = known;
  let most = -Infinity,
    sum = 0,
    sx = 0,
    sy = 0;
  for (let k = 0; k < mix.size; k++) {
    if (label >= 0 && mix.label[k] !== label) {
      r[k] = -Infinity;
      continue;
    }
    const dx = x - signal * mix.x[k],
      dy = y - signal * mix.y[k];
    r[k] = offset[k] - (dx * dx + dy * dy) / (2 * variance[k]);
    if (r[k] > most) most = r[k];
  }
  for (let k = 0; k < mix.size; k++) {
    if (r[k] < most - 60) {
      r[k] = 0;
      continue;
    } // below 1e-26 of the likeliest
    r[k] = Math.exp(r[k] - most);
    sum += r[k];
    sx += r[k] * (mix.x[k] + gain[k] * (x - signal * mix.x[k]));
    sy += r[k] * (mix.y[k] + gain[k] * (y - signal * mix.y[k]));
  }
  for (let k = 0; k < mix.size; k++) r[k] /= sum;
  out[at] = sx / sum;
  out[at + 1] = sy / sum;
  return most + Math.log(sum);
}

// the answer that a view's walk goes by: of all data, of one class, or guided. asked: [x0_hat of all, x0_hat of the class]
export function guess(known, x, y, view, level, asked, out) {
  const label = view.label === "A" ? 0 : view.label === "B" ? 1 : -1;
  if (label < 0) {
    clean(known, x, y, -1, out);
    return out;
  }
  clean(known, x, y, label, out);
  if (view.guidance_scale === 1 || level < view.low || level > view.high) return out;
  clean(known, x, y, -1, asked);
  out[0] = asked[0] + view.guidance_scale * (out[0] - asked[0]);
  out[1] = asked[1] + view.guidance_scale * (out[1] - asked[1]);
  return out;
}

// one answer in five languages, at x0_hat = (hx, hy): [x, y] of the arrow called `name`
export function arrow(name, x, y, signal, noise, hx, hy) {
  const s = Math.max(noise, 1e-3),
    ex = (x - signal * hx) / s,
    ey = (y - signal * hy) / s;
  if (name === "score") return [-ex / s, -ey / s];
  if (name === "eps") return [ex, ey];
  if (name === "v") return [signal * ex - noise * hx, signal * ey - noise * hy];
  if (name === "velocity") return [hx - ex, hy - ey];
  return [hx - x, hy - y]; // x0_hat, as seen from the point
}

// ---- walks (samplers.py, flow.py) ----

// where a walk stops: {t, signal, noise, level}, level the noise level from 1 to 0 that the guidance interval is told in
export function stops(view, table) {
  const n = view.num_inference_steps;
  if (view.walk !== "diffusion") return Array.from({ length: n + 1 }, (_, i) => between(view, table, i / n, i / n, 0));
  const ts = spaced(n, table.length);
  return ts.map((t) => between(view, table, t, t, 0));
}

// the noise level at a share of the way from time t to time next
export function between(view, table, t, next, share) {
  const at = t + share * (next - t);
  if (view.walk !== "diffusion") return { t: at, signal: at, noise: 1 - at, level: 1 - at };
  const a = alphaBar(table, at);
  return { t: at, signal: Math.sqrt(a), noise: Math.sqrt(1 - a), level: Math.max(0, at) / table.length };
}

// all that chance decides: first noise, noise on the way, and the point of the data where each straight path ends
export function chance(mix, view) {
  const n = view.num_inference_steps,
    first = normals(view.seed, 0, 2 * DOTS),
    fresh = [];
  for (let i = 0; i < n; i++) fresh.push(normals(view.seed, i + 2, 2 * DOTS));
  if (view.ring) {
    first[0] = view.ring[0];
    first[1] = view.ring[1];
  }
  return { first, fresh, goals: goals(mix, view) };
}

function goals(mix, view) {
  const draws = normals(view.seed, 1, 4 * DOTS),
    out = new Float64Array(2 * DOTS);
  const label = view.label === "A" ? 0 : view.label === "B" ? 1 : -1;
  let total = 0;
  for (let k = 0; k < mix.size; k++) if (label < 0 || mix.label[k] === label) total += mix.weight[k];
  for (let p = 0; p < DOTS; p++) {
    let left = total * (1 - Math.exp(-(draws[4 * p] ** 2 + draws[4 * p + 1] ** 2) / 2)),
      k = 0; // uniform in [0, total)
    for (let j = 0; j < mix.size; j++) {
      if (label >= 0 && mix.label[j] !== label) continue;
      k = j;
      left -= mix.weight[j];
      if (left < 0) break;
    }
    out[2 * p] = mix.x[k] + mix.std[k] * draws[4 * p + 2];
    out[2 * p + 1] = mix.y[k] + mix.std[k] * draws[4 * p + 3];
  }
  return out;
}

// The paths of dots `from` to `to`: path[(i * DOTS + p) * 2] is the x of dot p after i steps. Written into `path` if given.
export function walk(mix, view, table, noise, path, from = 0, to = DOTS) {
  const way = stops(view, table),
    n = way.length - 1,
    asked = [0, 0],
    hat = [0, 0];
  path ??= new Float64Array((n + 1) * DOTS * 2);
  for (let p = from; p < to; p++) {
    const q = view.shared === "first noise" ? 0 : p;
    path[2 * p] = noise.first[2 * q];
    path[2 * p + 1] = noise.first[2 * q + 1];
  }
  for (let i = 0; i < n; i++) {
    const here = way[i],
      next = way[i + 1],
      known = knownOf(mix, here.signal, here.noise);
    for (let p = from; p < to; p++) {
      const now = (i * DOTS + p) * 2,
        then = now + 2 * DOTS,
        x = path[now],
        y = path[now + 1];
      if (view.walk === "straight") {
        path[then] = (1 - next.t) * path[2 * p] + next.t * noise.goals[2 * p];
        path[then + 1] = (1 - next.t) * path[2 * p + 1] + next.t * noise.goals[2 * p + 1];
        continue;
      }
      guess(known, x, y, view, here.level, asked, hat);
      const ex = (x - here.signal * hat[0]) / here.noise,
        ey = (y - here.signal * hat[1]) / here.noise;
      if (view.walk === "flow") {
        path[then] = x + (next.t - here.t) * (hat[0] - ex);
        path[then + 1] = y + (next.t - here.t) * (hat[1] - ey);
        continue;
      }
      const std = i === n - 1 ? 0 : view.eta * Math.sqrt(posteriorVariance(here, next));
      const along = Math.sqrt(Math.max(next.noise ** 2 - std ** 2, 0)),
        z = view.shared === "fresh noise" ? 0 : 2 * p;
      path[then] = next.signal * hat[0] + along * ex + std * noise.fresh[i][z];
      path[then + 1] = next.signal * hat[1] + along * ey + std * noise.fresh[i][z + 1];
    }
  }
  return path;
}

// beta (1 - abar_t') / (1 - abar_t), as schedule.py has it (DDPM, eq. 7)
function posteriorVariance(here, next) {
  return ((1 - (here.signal / next.signal) ** 2) * next.noise ** 2) / here.noise ** 2;
}

// ---- measures (lessons/plane.py) ----

// the blob that a clean point most likely belongs to
export function landed(mix, x, y) {
  let best = 0,
    most = -Infinity;
  for (let k = 0; k < mix.size; k++) {
    const v = mix.std[k] ** 2;
    const log = Math.log(mix.weight[k]) - Math.log(v) - ((x - mix.x[k]) ** 2 + (y - mix.y[k]) ** 2) / (2 * v);
    if (log > most) {
      most = log;
      best = mix.blob[k];
    }
  }
  return best;
}

export function bend(path) {
  const n = path.length / (2 * DOTS) - 1;
  let along = 0,
    straight = 0;
  for (let p = 0; p < DOTS; p++) {
    const at = (i) => (i * DOTS + p) * 2,
      end = at(n);
    for (let i = 0; i < n; i++) along += Math.hypot(path[at(i + 1)] - path[at(i)], path[at(i + 1) + 1] - path[at(i) + 1]);
    straight += Math.hypot(path[end] - path[2 * p], path[end + 1] - path[2 * p + 1]);
  }
  return along / straight - 1;
}

export function spread(ends) {
  let x = 0,
    y = 0,
    sum = 0;
  const n = ends.length / 2;
  for (let p = 0; p < n; p++) {
    x += ends[2 * p] / n;
    y += ends[2 * p + 1] / n;
  }
  for (let p = 0; p < n; p++) sum += (ends[2 * p] - x) ** 2 + (ends[2 * p + 1] - y) ** 2;
  return Math.sqrt(sum / n);
}

export function pastTheMiddle(mix, ends, label) {
  const middle = [0, 1].map((c) => {
    let w = 0,
      x = 0,
      y = 0;
    for (let k = 0; k < mix.size; k++)
      if (mix.label[k] === c) {
        w += mix.weight[k];
        x += mix.weight[k] * mix.x[k];
        y += mix.weight[k] * mix.y[k];
      }
    return { x: x / w, y: y / w, w };
  });
  const mine = middle[label],
    dx = mine.x - middle[1 - label].x,
    dy = mine.y - middle[1 - label].y;
  const long = Math.hypot(dx, dy),
    along = (x, y) => ((x - mine.x) * dx + (y - mine.y) * dy) / long;
  let variance = 0,
    sum = 0;
  for (let k = 0; k < mix.size; k++)
    if (mix.label[k] === label) variance += (mix.weight[k] / mine.w) * (mix.std[k] ** 2 + along(mix.x[k], mix.y[k]) ** 2);
  for (let p = 0; p < ends.length / 2; p++) sum += along(ends[2 * p], ends[2 * p + 1]);
  return sum / (ends.length / 2) / Math.sqrt(variance);
}

// ---- p_t over the picture ----

// p_t of every blob on nx x ny cells, x from -wide to wide, y from HALF down to -HALF, into out[blob]. Returns the largest sum.
export function density(mix, signal, noise, wide, nx, ny, out) {
  for (let b = 0; b < mix.blobs; b++) out[b].fill(0, 0, nx * ny);
  const row = new Float64Array(nx);
  for (let k = 0; k < mix.size; k++) {
    const v = (signal * mix.std[k]) ** 2 + noise ** 2,
      field = out[mix.blob[k]],
      mx = signal * mix.x[k],
      my = signal * mix.y[k];
    for (let i = 0; i < nx; i++) row[i] = Math.exp(-((((2 * i + 1) / nx - 1) * wide - mx) ** 2) / (2 * v));
    const first = Math.max(
        0,
        row.findIndex((r) => r > 1e-7),
      ),
      last = row.findLastIndex((r) => r > 1e-7);
    for (let j = 0; j < ny; j++) {
      const c = (mix.weight[k] / v) * Math.exp(-(((1 - (2 * j + 1) / ny) * HALF - my) ** 2) / (2 * v));
      if (c < 1e-7) continue;
      for (let i = first, at = j * nx + first; i <= last; i++, at++) field[at] += c * row[i];
    }
  }
  let most = 0;
  for (let at = 0; at < nx * ny; at++) {
    let sum = 0;
    for (let b = 0; b < mix.blobs; b++) sum += out[b][at];
    if (sum > most) most = sum;
  }
  return most;
}

// the line of height `level` through a field on nx x ny cells, as pairs of points in cells: x1, y1, x2, y2, ...
export function contour(field, nx, ny, level, out = []) {
  const cut = (a, b) => (level - a) / (b - a);
  for (let j = 0; j < ny - 1; j++) {
    for (let i = 0, at = j * nx; i < nx - 1; i++, at++) {
      const a = field[at],
        b = field[at + 1],
        c = field[at + nx + 1],
        d = field[at + nx];
      const which = (a > level) | ((b > level) << 1) | ((c > level) << 2) | ((d > level) << 3);
      if (which === 0 || which === 15) continue;
      if (a > level !== b > level) out.push(i + cut(a, b), j);
      if (b > level !== c > level) out.push(i + 1, j + cut(b, c));
      if (d > level !== c > level) out.push(i + cut(d, c), j + 1);
      if (a > level !== d > level) out.push(i, j + cut(a, d));
    }
  }
  return out;
}
