// The canvas of the plane: p_t as a haze with lines of equal height, the arrows, the dots, their paths, and the marked dot.
import { arrow, clean, contour, cosine, DOTS, density, guess, HALF, knownOf } from "./plane_math.js";

const TAIL = 0.12; // of the walk, drawn behind every dot
const PATHS = 60; // dots whose whole paths are drawn
const CELLS = [44, 66, 99, 132]; // in which p_t is computed, top to bottom: the fewer the broader its narrowest bump
const HEIGHTS = [0.03, 0.1, 0.22, 0.4, 0.62, 0.85]; // of the lines, as shares of the highest place
export const table = cosine();

// Draws a scene {view, mix, path, stops, ends, at}: path of walk(), stops of stops(), ends the blob that each dot lands in.
export class Picture {
  constructor(canvas, root) {
    this.canvas = canvas;
    this.root = root;
    this.ctx = canvas.getContext("2d");
    this.frames = 0;
  }

  fit(w, h) {
    this.dpr = Math.min(window.devicePixelRatio || 1, 2);
    Object.assign(this, { w, h, scale: h / (2 * HALF), wide: (HALF * w) / h });
    this.canvas.width = Math.round(w * this.dpr);
    this.canvas.height = Math.round(h * this.dpr);
    this.papers = CELLS.map((ny) => this.paper(Math.max(2, Math.round((ny * w) / h)), ny));
    this.layer = null;
  }

  paper(nx, ny) {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: nx, height: ny });
    const ctx = canvas.getContext("2d"),
      fields = Array.from({ length: 4 }, () => new Float32Array(nx * ny));
    return { nx, ny, canvas, ctx, image: ctx.createImageData(nx, ny), fields, sum: new Float32Array(nx * ny) };
  }

  // the page's colours, light or dark
  colours() {
    const style = getComputedStyle(this.root),
      of = (name) => style.getPropertyValue(name).trim();
    this.ground = of("--st-background-color");
    this.ink = of("--st-text-color");
    this.root.classList.toggle("dark", this.rgb(this.ground).reduce((a, b) => a + b) < 384);
    this.hues = ["--A", "--C", "--B", "--D"].map((name) => getComputedStyle(this.root).getPropertyValue(name).trim());
    this.rgbs = this.hues.map((hue) => this.rgb(hue));
    this.font = `12px ${style.fontFamily}`;
    this.layer = null;
  }

  rgb(colour) {
    this.ctx.fillStyle = colour || "#fff"; // the canvas knows every way to write a colour and gives back two
    const known = this.ctx.fillStyle;
    if (known.startsWith("#")) return [1, 3, 5].map((i) => parseInt(known.slice(i, i + 2), 16));
    return known
      .match(/[\d.]+/g)
      .slice(0, 3)
      .map(Number);
  }

  // of two blobs A's and B's; of four A's two, then B's two
  hue(blob) {
    return this.scene.mix.blobs > 2 ? blob : 2 * blob;
  }

  pixel(x, y) {
    return [this.w / 2 + x * this.scale, this.h / 2 - y * this.scale];
  }

  point(px, py) {
    return [(px - this.w / 2) / this.scale, (this.h / 2 - py) / this.scale];
  }

  // where a dot is at a share of the way, in pixels, into out
  dot(p, at, out) {
    const { path, stops } = this.scene,
      n = stops.length - 1,
      i = Math.min(n - 1, Math.floor(at * n)),
      f = at * n - i;
    const a = (i * DOTS + p) * 2,
      b = a + 2 * DOTS;
    out[0] = this.w / 2 + (path[a] + f * (path[b] - path[a])) * this.scale;
    out[1] = this.h / 2 - (path[a + 1] + f * (path[b + 1] - path[a + 1])) * this.scale;
    return out;
  }

  draw(scene) {
    const { ctx, w, h, dpr } = this;
    if (this.scene?.path !== scene.path || this.scene?.ends !== scene.ends) this.layer = null;
    this.scene = scene;
    this.canvas.dataset.frames = ++this.frames;
    ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
    ctx.clearRect(0, 0, w, h);
    ctx.lineJoin = "round";
    if (!scene.path) return;
    this.drawHaze();
    ctx.lineCap = "round";
    if (scene.view.arrows !== "none") this.drawArrows();
    if (scene.view.trails === "whole") this.drawPaths();
    if (scene.view.trails === "tails") this.drawTails();
    this.drawDots();
    this.drawMarked();
  }

  drawHaze() {
    const { mix, now } = this.scene,
      narrowest = Math.hypot(now.signal * Math.min(...mix.std), now.noise);
    const paper = this.papers.find(({ ny }) => ny * narrowest > 4 * 2 * HALF) ?? this.papers.at(-1);
    const { nx, ny, fields, sum, image } = paper,
      pixels = image.data,
      hues = fields.map((_, k) => this.rgbs[this.hue(k)]);
    const most = density(mix, now.signal, now.noise, this.wide, nx, ny, fields);
    for (let at = 0; at < nx * ny; at++) {
      let p = 0,
        r = 0,
        g = 0,
        b = 0;
      for (let k = 0; k < mix.blobs; k++) {
        const f = fields[k][at],
          hue = hues[k];
        p += f;
        r += f * hue[0];
        g += f * hue[1];
        b += f * hue[2];
      }
      sum[at] = p / most;
      pixels[4 * at] = r / p;
      pixels[4 * at + 1] = g / p;
      pixels[4 * at + 2] = b / p;
      pixels[4 * at + 3] = p < 1e-3 * most ? 0 : 120 * Math.sqrt(p / most);
    }
    paper.ctx.putImageData(image, 0, 0);
    this.ctx.imageSmoothingQuality = "high";
    this.ctx.drawImage(paper.canvas, 0, 0, this.w, this.h);
    this.drawLines(paper);
  }

  drawLines({ nx, ny, sum }) {
    const { ctx } = this,
      cx = this.w / nx,
      cy = this.h / ny;
    ctx.strokeStyle = this.ink;
    ctx.lineWidth = 1;
    ctx.lineCap = "butt";
    HEIGHTS.forEach((height, k) => {
      const line = contour(sum, nx, ny, height);
      ctx.globalAlpha = 0.1 + 0.035 * k;
      ctx.beginPath();
      for (let i = 0; i < line.length; i += 4) {
        ctx.moveTo((line[i] + 0.5) * cx, (line[i + 1] + 0.5) * cy);
        ctx.lineTo((line[i + 2] + 0.5) * cx, (line[i + 3] + 0.5) * cy);
      }
      ctx.stroke();
    });
    ctx.globalAlpha = 1;
  }

  // longer where there is more to say: half of the longest at the mean length
  drawArrows() {
    const { ctx } = this,
      { view, mix, now } = this.scene,
      gap = Math.max(26, this.h / 15),
      all = [],
      hat = [0, 0],
      any = [0, 0];
    const known = knownOf(mix, now.signal, now.noise);
    let mean = 0;
    for (let py = (this.h % gap) / 2; py < this.h; py += gap) {
      for (let px = (this.w % gap) / 2; px < this.w; px += gap) {
        const [x, y] = this.point(px, py);
        guess(known, x, y, view, now.level, any, hat);
        const [dx, dy] = arrow(view.arrows, x, y, now.signal, now.noise, hat[0], hat[1]),
          long = Math.hypot(dx, dy);
        all.push([px, py, dx, -dy, long]);
        mean += long;
      }
    }
    mean /= all.length;
    ctx.strokeStyle = this.ink;
    ctx.globalAlpha = 0.5;
    ctx.lineWidth = 1.4;
    ctx.beginPath();
    for (const [px, py, dx, dy, long] of all) {
      const size = (0.55 * gap) / (long + mean);
      if (long > 1e-9) this.drawArrow(px - dx * size, py - dy * size, px + dx * size, py + dy * size);
    }
    ctx.stroke();
    ctx.globalAlpha = 1;
  }

  drawArrow(x1, y1, x2, y2) {
    const { ctx } = this,
      angle = Math.atan2(y2 - y1, x2 - x1),
      head = 0.3 * Math.hypot(x2 - x1, y2 - y1);
    ctx.moveTo(x1, y1);
    ctx.lineTo(x2, y2);
    for (const side of [-0.5, 0.5]) {
      ctx.moveTo(x2, y2);
      ctx.lineTo(x2 - head * Math.cos(angle + side), y2 - head * Math.sin(angle + side));
    }
  }

  // the whole paths of some dots: they stay as long as the walk does, so they are drawn once
  drawPaths() {
    if (!this.layer) {
      this.layer = document.createElement("canvas");
      this.layer.width = this.canvas.width;
      this.layer.height = this.canvas.height;
      const ctx = this.layer.getContext("2d");
      ctx.scale(this.dpr, this.dpr);
      ctx.lineWidth = 1.3;
      ctx.lineJoin = "round";
      ctx.globalAlpha = 0.55;
      for (let p = 1; p <= PATHS; p++) {
        ctx.strokeStyle = this.hues[this.hue(this.scene.ends[p])];
        this.trace(ctx, p);
        ctx.stroke();
      }
    }
    this.ctx.drawImage(this.layer, 0, 0, this.w, this.h);
  }

  trace(ctx, p) {
    const n = this.scene.stops.length - 1,
      xy = [0, 0];
    ctx.beginPath();
    for (let i = 0; i <= n; i++) ctx.lineTo(...this.dot(p, i / n, xy));
  }

  // the last bit of every dot's path; none at the ends of the walk, where nothing moves
  drawTails() {
    const { ctx } = this,
      { at, stops, ends } = this.scene,
      n = stops.length - 1;
    const start = Math.max(0, at - Math.min(TAIL, 1 - at));
    if (start >= at) return;
    const knots = [start],
      xy = [0, 0];
    for (let i = Math.floor(start * n) + 1; i / n < at; i += Math.max(1, Math.round(n / 50))) knots.push(i / n);
    knots.push(at);
    ctx.globalAlpha = 0.4;
    ctx.lineWidth = this.size() / 2;
    this.hues.forEach((hue, k) => {
      ctx.strokeStyle = hue;
      ctx.beginPath();
      for (let p = 1; p < DOTS; p++) {
        if (this.hue(ends[p]) !== k) continue;
        ctx.moveTo(...this.dot(p, start, xy));
        for (const knot of knots) ctx.lineTo(...this.dot(p, knot, xy));
      }
      ctx.stroke();
    });
    ctx.globalAlpha = 1;
  }

  size() {
    return Math.max(2.6, Math.min(5.5, this.h / 150));
  }

  drawDots() {
    const { ctx } = this,
      { at, ends } = this.scene,
      xy = [0, 0],
      size = this.size();
    ctx.strokeStyle = this.ground;
    ctx.lineWidth = 1;
    this.hues.forEach((hue, k) => {
      ctx.fillStyle = hue;
      ctx.beginPath();
      for (let p = 1; p < DOTS; p++) {
        if (this.hue(ends[p]) !== k) continue;
        this.dot(p, at, xy);
        ctx.moveTo(xy[0] + size, xy[1]);
        ctx.arc(xy[0], xy[1], size, 0, 7);
      }
      ctx.fill();
      ctx.stroke();
    });
  }

  // the marked dot, its whole path, and what is answered for it now
  drawMarked() {
    const { ctx } = this,
      { view, ends, at, now } = this.scene,
      here = this.dot(0, at, [0, 0]);
    const hue = this.hues[this.hue(ends[0])];
    if (now.noise > 0.03 && view.walk !== "straight") this.drawGuess(here);
    this.trace(ctx, 0);
    this.outlined(hue, 2.5);
    ctx.fillStyle = hue;
    ctx.strokeStyle = this.ink;
    ctx.lineWidth = 2;
    ctx.beginPath();
    ctx.arc(here[0], here[1], Math.max(6, this.h / 75), 0, 7);
    ctx.fill();
    ctx.stroke();
  }

  // from where in the data the marked dot may have come, the likelier the darker; their mean is x0_hat, marked by a cross
  drawGuess(here) {
    const { ctx } = this,
      { view, mix, now } = this.scene,
      [x, y] = this.point(...here),
      label = ["A", "B"].indexOf(view.label);
    const known = knownOf(mix, now.signal, now.noise),
      hat = [0, 0],
      any = [0, 0],
      pulled = [0, 0];
    clean(known, x, y, label, hat);
    ctx.strokeStyle = this.ink;
    ctx.lineWidth = 1;
    for (let k = 0; k < mix.size; k++) {
      if (known.r[k] < 0.004) continue;
      ctx.globalAlpha = 0.1 + 0.5 * known.r[k];
      ctx.beginPath();
      ctx.moveTo(here[0], here[1]);
      ctx.lineTo(...this.pixel(mix.x[k], mix.y[k]));
      ctx.stroke();
    }
    ctx.globalAlpha = 1;
    guess(known, x, y, view, now.level, any, pulled);
    if (Math.hypot(pulled[0] - hat[0], pulled[1] - hat[1]) < 0.1) {
      this.cross(hat, label < 0 ? "x0_hat" : `x0_hat for ${view.label}`);
      return;
    }
    ctx.setLineDash([4, 4]);
    ctx.beginPath();
    ctx.moveTo(...this.pixel(...any));
    ctx.lineTo(...this.pixel(...pulled));
    ctx.stroke();
    ctx.setLineDash([]);
    this.cross(any, Math.hypot(any[0] - hat[0], any[1] - hat[1]) < 0.5 ? "" : "without a class");
    this.cross(hat, `for ${view.label}`);
    this.cross(pulled, "guided", -14);
  }

  cross([x, y], words, up = 6) {
    const { ctx } = this,
      [px, py] = this.pixel(x, y),
      r = 6;
    ctx.beginPath();
    ctx.moveTo(px - r, py);
    ctx.lineTo(px + r, py);
    ctx.moveTo(px, py - r);
    ctx.lineTo(px, py + r);
    this.outlined(this.ink, 2);
    ctx.font = this.font;
    ctx.lineWidth = 3;
    ctx.strokeStyle = this.ground;
    ctx.strokeText(words, px + 9, py - up);
    ctx.fillStyle = this.ink;
    ctx.fillText(words, px + 9, py - up);
  }

  // the present path in a colour, with a rim that lifts it off what lies below
  outlined(colour, wide) {
    for (const [style, width] of [
      [this.ground, wide + 2.5],
      [colour, wide],
    ]) {
      this.ctx.strokeStyle = style;
      this.ctx.lineWidth = width;
      this.ctx.stroke();
    }
  }
}
