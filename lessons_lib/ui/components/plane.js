// The plane in the browser: plays, listens, and tells the link. Its numbers come from plane_math.js, its settings from `data`.
import {
  bend,
  between,
  chance,
  DOTS,
  decode,
  EDGE,
  encode,
  HALF,
  landed,
  MOST,
  mixtureOf,
  mixtureOfDots,
  pastTheMiddle,
  spread,
  stops,
  walk,
} from "./plane_math.js";
import { Picture, table } from "./plane_picture.js";

const WALK_MS = 4000;
const OWN = "your own";
const LANGUAGES = {
  // what the arrows say
  score: "score: from here, which way p_t grows.",
  eps: "eps: the noise in each place; the score is -eps / noise level.",
  v: "v: signal times eps, minus noise times x0_hat.",
  velocity: "velocity: x0_hat minus eps, from noise to data.",
  x0_hat: "x0_hat: from here to the mean of the data it may come from.",
};
// sets what is not so already: at every frame most of the page stays as it is
const put = (on, name, value) => {
  if (on[name] !== value) on[name] = value;
};
const planes = new WeakMap(); // what stands where, so that a rerun of the page starts nothing anew

export default function ({ data, parentElement, setStateValue }) {
  let plane = planes.get(parentElement);
  if (!plane) {
    plane = new Plane(parentElement, data);
    planes.set(parentElement, plane);
  }
  plane.tellServer = (view) => setStateValue("view", view);
  plane.given(data);
  return () => {
    plane.leave();
    planes.delete(parentElement);
  };
}

class Plane {
  constructor(host, data) {
    this.$ = (s) => host.querySelector(s);
    this.$$ = (s) => [...host.querySelectorAll(s)];
    this.data = data;
    this.root = this.$(".plane");
    this.canvas = this.$("canvas");
    this.picture = new Picture(this.canvas, this.root);
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.at = 0; // from 0, noise, to 1, data
    this.claim = -1; // the claim that is shown
    this.pen = "A";
    this.acted = false; // somebody has set or pressed something
    this.shown = this.goal = this.before = null;
    this.stopped = new AbortController();
    this.makeClaims();
    this.listenToKnobs();
    this.listenToBar();
    this.listenToKeys();
    this.listenToRing();
    this.listenToPen();
    this.watchTheme();
    this.seeing = new ResizeObserver(() => this.fit());
    this.seeing.observe(this.$(".picture"));
    window.addEventListener("resize", () => this.fit(), { signal: this.stopped.signal });
  }

  watchTheme() {
    const again = () => {
      this.picture.colours();
      this.redraw();
    };
    this.theme = new MutationObserver(again);
    this.theme.observe(document.documentElement, { attributes: true });
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again, { signal: this.stopped.signal });
  }

  leave() {
    cancelAnimationFrame(this.asked);
    clearTimeout(this.writing);
    this.seeing.disconnect();
    this.theme.disconnect();
    this.stopped.abort();
  }

  // what the page says is shown, unless it comes from here; a view at 0 plays
  given(data) {
    this.data = data;
    this.picture.colours();
    const link = `${this.query(data.view)} ${data.linked}`;
    if (this.view && (data.mine || link === this.shown)) return this.redraw();
    this.shown = link;
    const { at, ...view } = data.view,
      plays = at === 0;
    this.claim = data.claims.findIndex((claim) => this.query(this.viewOf(claim, view)) === this.query(data.view));
    this.set(view, plays && this.still.matches ? 1 : at);
    if (plays && !this.still.matches) this.play();
    else this.stop();
  }

  // ---- settings ----

  set(view, at = this.at) {
    const old = this.view ?? {},
      changed = (...names) => names.some((n) => String(old[n]) !== String(view[n]));
    this.view = view;
    const anew = changed("data", "dots");
    if (anew) this.mix = view.data === OWN ? mixtureOfDots(decode(view.dots)) : mixtureOf(this.data.presets[view.data]);
    if (anew || changed("seed", "num_inference_steps", "label")) this.noise = chance(this.mix, view);
    else if (changed("ring")) this.noise.first = chance(this.mix, view).first;
    const others = Object.keys(view).filter((n) => n !== "ring" && n !== "at");
    this.compute(view.shared !== "first noise" && !changed(...others));
    this.show();
    this.to(at);
  }

  // a change by hand: the view is no longer a claim's
  change(values, at = this.at) {
    this.claim = -1;
    this.set({ ...this.view, ...values }, at);
    this.write();
  }

  compute(markedAlone) {
    if (!this.mix.size) {
      this.path = null;
      return;
    }
    if (markedAlone) walk(this.mix, this.view, table, this.noise, this.path, 0, 1);
    else this.path = walk(this.mix, this.view, table, this.noise);
    this.stops = stops(this.view, table);
    const last = this.last();
    this.ends = Array.from({ length: DOTS }, (_, p) => landed(this.mix, last[2 * p], last[2 * p + 1]));
  }

  last() {
    return this.path.subarray((this.stops.length - 1) * DOTS * 2);
  }

  // a claim's whole view: what it does not say is at its default, but for the seed and what the link locks
  viewOf(claim, now) {
    const kept = ["seed", ...this.data.lock].filter((name) => name in now && !(name in claim.view));
    return { ...this.data.defaults, ...claim.view, ...Object.fromEntries(kept.map((name) => [name, now[name]])) };
  }

  // a view as a link has it
  query(view) {
    const params = new URLSearchParams();
    for (const [name, value] of Object.entries(view)) {
      if (name !== "dots" || view.data === OWN) params.set(name, typeof value === "number" ? +value.toFixed(3) : value);
    }
    return params.toString();
  }

  // the address that shows a view
  address(view) {
    const url = new URL(window.location.href);
    for (const name of [...Object.keys(this.data.defaults), "go"]) url.searchParams.delete(name);
    for (const [name, value] of new URLSearchParams(this.query(view))) url.searchParams.set(name, value);
    return url;
  }

  // the server is told the view a moment after the last change, for the link; a claim's link plays, any other stands still
  write() {
    this.acted = true;
    clearTimeout(this.writing);
    this.writing = setTimeout(() => {
      const { dots, ...view } = { ...this.view, at: this.claim >= 0 || this.playing ? 0 : +this.at.toFixed(3) };
      this.shown = null;
      this.tellServer(view.data === OWN ? { ...view, dots } : view);
    }, 300);
  }

  // ---- time ----

  to(at) {
    this.at = Math.min(1, Math.max(0, at));
    this.$(".time input").value = Math.round(1000 * this.at);
    this.redraw();
  }

  play() {
    if (this.at >= 1) this.to(0);
    this.playing = true;
    this.goal = this.before = null;
    this.$(".play").textContent = "Pause";
    this.redraw();
  }

  stop() {
    this.playing = false;
    this.goal = null;
    this.$(".play").textContent = "Play";
    this.redraw();
  }

  pause() {
    this.stop();
    this.write();
  }

  step(direction = 1) {
    const n = this.view.num_inference_steps,
      from = this.goal ?? this.at;
    if (this.playing) this.pause();
    const goal = (direction > 0 ? Math.floor(from * n + 1e-6) + 1 : Math.ceil(from * n - 1e-6) - 1) / n;
    if (this.still.matches) {
      this.to(goal);
      this.write();
      return;
    }
    this.goal = Math.min(1, Math.max(0, goal));
    this.before = null;
    this.redraw();
  }

  // moves time on by what has passed since the last frame; true while there is more to come
  tick(now) {
    const passed = this.before === null ? 0 : Math.min(100, now - this.before);
    this.before = now;
    if (this.goal !== null) return this.tickToGoal(passed);
    if (!this.playing) return false;
    const whole = this.$(".slow").ariaPressed === "true" ? 4 * WALK_MS : WALK_MS;
    if (this.still.matches) this.tickInJumps(passed, whole / 8);
    else this.to(this.at + passed / whole);
    if (this.at >= 1 && this.acted) this.pause();
    else if (this.at >= 1) this.stop(); // it played by itself: nobody has set anything
    return this.playing;
  }

  tickToGoal(passed) {
    const left = this.goal - this.at,
      most = Math.max(passed / 250 / this.view.num_inference_steps, passed / 12000);
    if (Math.abs(left) > most) {
      this.to(this.at + Math.sign(left) * most);
      return true;
    }
    this.to(this.goal);
    this.goal = null;
    this.write();
    return false;
  }

  // for those who asked for less motion: eight stills
  tickInJumps(passed, apart) {
    this.rested = (this.rested ?? 0) + passed;
    if (this.rested < apart) return;
    this.rested = 0;
    this.to((Math.floor(this.at * 8 + 1e-6) + 1) / 8);
  }

  redraw() {
    if (this.waiting) return;
    this.waiting = true;
    this.asked = requestAnimationFrame((now) => {
      this.waiting = false;
      if (!this.canvas.isConnected) return;
      const more = this.tick(now);
      this.draw();
      if (more) this.redraw();
    });
  }

  // ---- controls ----

  makeClaims() {
    this.$(".claims").replaceChildren(
      ...this.data.claims.map((claim, i) => {
        const item = document.createElement("li"),
          link = document.createElement("a"),
          answer = document.createElement("p");
        link.textContent = claim.question;
        answer.textContent = claim.answer;
        answer.hidden = true;
        link.onclick = (e) => {
          if (e.ctrlKey || e.metaKey || e.shiftKey || e.button) return; // into a new tab
          e.preventDefault();
          this.claim = i;
          this.set(this.viewOf(claim, this.view), 0);
          this.play();
          this.write();
        };
        item.append(link, answer);
        return item;
      }),
    );
  }

  link() {
    this.$$(".claims a").forEach((a, i) => {
      a.href = this.address(this.viewOf(this.data.claims[i], this.view));
    });
  }

  listenToKnobs() {
    for (const knob of this.$$(".knobs [data-name]")) {
      const name = knob.dataset.name,
        select = knob.querySelector("select");
      knob.title = name === "interval" ? "low, high" : name;
      if (select) {
        select.replaceChildren(...Object.entries(this.data.options[name]).map(([value, words]) => new Option(words, value)));
        select.onchange = () => (name === "data" ? this.changeData(select.value) : this.change({ [name]: select.value }));
      }
      for (const input of knob.querySelectorAll("input")) {
        input.oninput = () => {
          const value = Number(input.value),
            { low, high } = this.view;
          if (input.dataset.end === "low") this.change({ low: value, high: Math.max(value, high) });
          else if (input.dataset.end === "high") this.change({ low: Math.min(value, low), high: value });
          else this.change({ [name]: value });
        };
      }
    }
  }

  // other data are walked to from the start; a drawing is seen as it is
  changeData(data) {
    const plays = data !== OWN && !this.still.matches;
    this.change({ data }, plays ? 0 : 1);
    if (plays) this.play();
  }

  // every control as the view has it; what has no effect now cannot be set
  show() {
    const view = this.view,
      straight = view.walk === "straight",
      guided = view.label !== "any" && !straight;
    const idle = {
      num_inference_steps: straight,
      eta: view.walk !== "diffusion",
      shared: straight,
      guidance_scale: !guided,
      interval: !guided || view.guidance_scale === 1,
    };
    for (const knob of this.$$(".knobs [data-name]")) {
      const name = knob.dataset.name,
        names = name === "interval" ? [name, "low", "high"] : [name];
      const off = Boolean(idle[name]) || names.some((n) => this.data.lock.includes(n)),
        output = knob.querySelector("output");
      knob.classList.toggle("off", off);
      if (knob.role === "group") knob.ariaDisabled = off; // a label needs none: its input says it
      for (const input of knob.querySelectorAll("input, select")) {
        input.disabled = off;
        input.value = view[input.dataset.end ?? name];
      }
      if (!output) continue;
      const percent = (v) => Math.round(100 * v);
      output.textContent = name === "interval" ? `${percent(view.low)}\u2013${percent(view.high)}%` : view[name];
    }
    this.$(".pen").hidden = view.data !== OWN;
    this.$(".picture").classList.toggle("drawing", view.data === OWN);
    this.$(".again").disabled = this.data.lock.includes("seed");
    this.$$(".claims li").forEach((item, i) => {
      // none that would change what is locked
      item.hidden = Object.entries(this.data.claims[i].view).some(
        ([name, v]) => this.data.lock.includes(name) && view[name] !== v,
      );
      item.firstChild.setAttribute("aria-current", i === this.claim);
    });
    this.link();
  }

  listenToBar() {
    const slow = this.$(".slow"),
      time = this.$(".time input");
    this.$(".play").onclick = () => {
      this.acted = true;
      if (this.playing) this.pause();
      else this.play();
    };
    this.$(".step").onclick = () => this.step();
    this.$(".again").onclick = () => this.change({ seed: this.view.seed + 1 });
    slow.onclick = () => {
      slow.ariaPressed = slow.ariaPressed !== "true";
    };
    time.oninput = () => {
      if (this.playing) this.pause();
      this.goal = null;
      this.to(time.value / 1000);
      this.write();
    };
  }

  listenToKeys() {
    this.root.onkeydown = (e) => this.key(e);
    document.addEventListener(
      "keydown",
      (e) => {
        // nothing has the focus
        if (e.target === document.body && e.key === " " && this.canvas.checkVisibility()) this.key(e);
      },
      { signal: this.stopped.signal },
    );
  }

  key(e) {
    const on = e.composedPath()[0],
      step = { ArrowRight: 1, ArrowLeft: -1 }[e.key],
      end = { Home: 0, End: 1 }[e.key];
    if (e.ctrlKey || e.metaKey || e.altKey || on.tagName === "SELECT") return;
    if (e.key === " " && on.tagName !== "BUTTON" && on.tagName !== "A") this.step();
    else if (e.key === "p" || e.key === "P") this.$(".play").click();
    else if (on === this.$(".ring") && e.key.startsWith("Arrow")) this.moveByKey(e);
    else if (on === this.canvas && step) this.step(step);
    else if (on === this.canvas && end !== undefined) {
      this.pause();
      this.to(end);
    } else return;
    e.preventDefault();
  }

  // ---- the marked dot's start, and drawn dots ----

  first() {
    return [this.noise.first[0], this.noise.first[1]];
  }

  move(x, y) {
    const within = (v, most) => +Math.min(most, Math.max(-most, v)).toFixed(2);
    this.change({ ring: [within(x, this.picture.wide), within(y, HALF)] });
  }

  moveByKey({ key, shiftKey }) {
    const far = shiftKey ? 0.5 : 0.1,
      [x, y] = this.first(),
      on = (name) => (key === `Arrow${name}` ? far : 0);
    this.move(x + on("Right") - on("Left"), y + on("Up") - on("Down"));
  }

  place(e) {
    const box = this.canvas.getBoundingClientRect();
    return this.picture.point(e.clientX - box.left, e.clientY - box.top);
  }

  listenToRing() {
    const ring = this.$(".ring");
    ring.onpointerdown = (e) => {
      ring.setPointerCapture(e.pointerId);
      if (this.playing) this.pause();
      ring.dataset.say = "";
      this.dragged = true;
      ring.onpointermove = (m) => m.pointerId === e.pointerId && this.move(...this.place(m));
    };
    ring.onpointerup = ring.onpointercancel = () => {
      ring.onpointermove = null;
    };
  }

  listenToPen() {
    const pens = this.$$("[data-pen]"),
      { canvas } = this;
    for (const pen of pens) {
      pen.onclick = () => {
        this.pen = pen.dataset.pen;
        for (const other of pens) other.ariaPressed = other === pen;
      };
    }
    this.$(".clear").onclick = () => this.change({ dots: "" });
    canvas.onpointerdown = (e) => {
      if (this.view.data !== OWN) return;
      canvas.setPointerCapture(e.pointerId);
      canvas.onpointermove = (m) => m.pointerId === e.pointerId && this.drawDot(...this.place(m));
      this.drawDot(...this.place(e));
    };
    canvas.onpointerup = canvas.onpointercancel = () => {
      canvas.onpointermove = null;
    };
  }

  drawDot(x, y) {
    const dots = decode(this.view.dots),
      near = dots.filter((d) => Math.hypot(d.x - x, d.y - y) < 0.2),
      free = !near.length;
    let drawn;
    if (this.pen === "rub") drawn = dots.filter((d) => !near.includes(d));
    else if (free && dots.length < MOST && Math.abs(x) < EDGE) drawn = [...dots, { x, y, label: this.pen === "A" ? 0 : 1 }];
    if (!drawn || drawn.length === dots.length) return;
    if (this.playing) this.pause();
    this.change({ dots: encode(drawn) }, 1);
  }

  // ---- picture and words ----

  // as high as what is left of the screen, so that picture and controls are seen together
  fit() {
    const box = this.$(".picture"),
      main = (this.root.getRootNode().host ?? this.root).closest("[data-testid=stMain]");
    const top = this.root.getBoundingClientRect().top + (main?.scrollTop ?? 0);
    const below = this.$(".stage").offsetHeight - box.offsetHeight;
    box.style.setProperty("--room", `${Math.floor(window.innerHeight - top - below - 6)}px`);
    this.picture.fit(box.clientWidth, box.clientHeight);
    cancelAnimationFrame(this.asked);
    this.waiting = false;
    this.redraw();
  }

  draw() {
    if (!this.picture.w) return;
    const { view, mix, path, stops: way, ends, at } = this,
      scene = { view, mix, path, stops: way, ends, at };
    if (path) {
      const n = way.length - 1,
        i = Math.min(n - 1, Math.floor(at * n));
      scene.now = between(view, table, way[i].t, way[i + 1].t, at * n - i);
    }
    this.picture.draw(scene);
    this.drawRing();
    this.say(scene.now);
  }

  drawRing() {
    const ring = this.$(".ring"),
      [x, y] = this.picture.pixel(...this.first());
    put(ring, "hidden", !this.path);
    put(ring.style, "transform", `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`);
    if (!this.dragged) put(ring.dataset, "say", this.view.shared === "first noise" ? "all start here: drag me" : "drag me");
    put(
      ring,
      "ariaLabel",
      `start of the marked dot, at ${this.first()
        .map((v) => v.toFixed(2))
        .join(", ")}`,
    );
  }

  say(now) {
    const { view, at } = this,
      n = view.num_inference_steps,
      diffusion = view.walk === "diffusion",
      f = (v) => v.toFixed(2);
    if (!now) {
      put(this.$(".level"), "textContent", "Draw some dots: they are the data.");
      this.tell("No data, no walk.");
      put(this.canvas, "ariaLabel", "An empty plane.");
      return;
    }
    const t = !diffusion ? `t = ${f(now.t)}` : now.t < 0 ? "clean" : `t = ${Math.round(now.t)}`;
    const [data, noise] = diffusion ? ["x_0", "eps"] : ["x_1", "x_0"];
    put(this.$(".level"), "textContent", `${t}: x_t = ${f(now.signal)} ${data} + ${f(now.noise)} ${noise}`);
    put(this.$(".time input"), "ariaValueText", `${t}, step ${Math.floor(at * n + 1e-6)} of ${n}`);
    this.$$(".claims p").forEach((p, i) => {
      put(p, "hidden", i !== this.claim || at < 1);
    });
    this.tell(at < 1 ? this.midway() : this.landings());
    const place = this.playing ? "on their way from noise to data" : t; // one name for the whole way: it is read aloud
    put(this.canvas, "ariaLabel", `${DOTS} dots in the plane, ${place}. ${this.$(".seen").textContent}`);
  }

  // read aloud when it changes, so it changes with the walk and not with every frame
  tell(words) {
    if (this.told !== words) this.$(".seen").innerHTML = this.told = words;
  }

  midway() {
    const { arrows, num_inference_steps: n } = this.view;
    const words = LANGUAGES[arrows] ?? "Each dot has the colour of the place where it will land.";
    return this.playing ? words : `${words} Step ${Math.floor(this.at * n + 1e-6)} of ${n}.`;
  }

  landings() {
    const { mix, view } = this,
      counts = Array.from({ length: mix.blobs }, () => 0),
      last = this.last(),
      more = [];
    for (const blob of this.ends) counts[blob] += 1;
    const names = mix.blobs > 2 ? ["A, top", "A, bottom", "B, top", "B, bottom"] : ["A", "B"],
      { hues } = this.picture;
    const places = counts.map((count, b) => `<i style="color:${hues[this.picture.hue(b)]}">&#9679;</i> ${names[b]} ${count}`);
    if (spread(last) < 0.05) more.push("all on one spot");
    const longer = 100 * bend(this.path);
    if (Math.abs(longer) < 0.05) more.push("paths straight");
    else if (view.walk === "flow" || view.eta === 0) more.push(`paths ${Math.round(longer)}% longer than straight`);
    if (view.label !== "any" && mix.label.includes(0) && mix.label.includes(1))
      more.push(`${pastTheMiddle(mix, last, view.label === "A" ? 0 : 1).toFixed(1)} std past the middle of ${view.label}`);
    return [`Landed: ${places.join(" &ensp;")}`, ...more].join(" &middot; ");
  }
}
