// Runs plane_math.js for tests/test_plane.py: its path is the argument, the jobs come as JSON, one answer goes back for each.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const m = await import(pathToFileURL(process.argv[2]));
const { presets, jobs } = JSON.parse(readFileSync(0, "utf8"));
const table = m.cosine();
const mixture = (view) => (view.data === "your own" ? m.mixtureOfDots(m.decode(view.dots)) : m.mixtureOf(presets[view.data]));

const answers = {
  schedule: () => Array.from(table),
  spaced: ({ n }) => m.spaced(n, table.length),
  stops: ({ view }) => m.stops(view, table),
  alphaBar: ({ t }) => m.alphaBar(table, t),
  normals: ({ seed, stream, count }) => Array.from(m.normals(seed, stream, count)),
  dots: ({ dots }) => m.encode(m.decode(dots)),
  exact({ view, points, signal, noise, label }) {
    const known = m.knownOf(mixture(view), signal, noise),
      out = [0, 0];
    return points.map(([x, y]) => {
      const log_p = m.clean(known, x, y, label, out),
        of = (name) => m.arrow(name, x, y, signal, noise, out[0], out[1]);
      return {
        log_p,
        x0_hat: [...out],
        ...Object.fromEntries(["score", "eps", "v", "velocity"].map((name) => [name, of(name)])),
      };
    });
  },
  density({ view, signal, noise, nx, ny }) {
    const mix = mixture(view),
      fields = Array.from({ length: mix.blobs }, () => new Float64Array(nx * ny));
    m.density(mix, signal, noise, m.HALF, nx, ny, fields);
    return Array.from(fields[0], (_, i) => fields.reduce((sum, f) => sum + f[i], 0));
  },
  contour: ({ field, nx, ny, level }) => m.contour(field, nx, ny, level),
  walk({ view }) {
    const mix = mixture(view),
      noise = m.chance(mix, view),
      path = m.walk(mix, view, table, noise);
    const ends = path.slice(-2 * m.DOTS),
      label = ["A", "B"].indexOf(view.label);
    return {
      first: Array.from(noise.first),
      fresh: noise.fresh.map((z) => Array.from(z)),
      goals: Array.from(noise.goals),
      path: Array.from(path),
      landed: Array.from({ length: m.DOTS }, (_, p) => m.landed(mix, ends[2 * p], ends[2 * p + 1])),
      bend: m.bend(path),
      spread: m.spread(ends),
      past: label < 0 ? null : m.pastTheMiddle(mix, ends, label),
    };
  },
  marked({ view, ring }) {
    // the marked dot moved by hand: only its own path is walked anew
    const mix = mixture(view),
      noise = m.chance(mix, view),
      path = m.walk(mix, view, table, noise);
    noise.first = m.chance(mix, { ...view, ring }).first;
    m.walk(mix, view, table, noise, path, 0, 1);
    return {
      alone: Array.from(path),
      whole: Array.from(m.walk(mix, { ...view, ring }, table, m.chance(mix, { ...view, ring }))),
    };
  },
};
process.stdout.write(JSON.stringify(jobs.map((job) => answers[job.do](job))));
