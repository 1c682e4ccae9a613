// A film to scrub through. The server sends the frames once, each a PNG at its own size; the browser keeps and enlarges them.
// A long walk is too much to send at once: then some frames come first, and the rest when somebody looks for them.

import { over, pictures_of, uncover } from "./over.js";

const kept = new Map(); // film id -> { channel: [PNG or undefined, ...] }, the last few; also after the page was left
const strips = new WeakMap(); // where each filmstrip stands, so that a rerun of the page does not wind it back
const FILMS = 6;
const SECONDS = 5; // a whole walk at speed 1x
const AHEAD = 24; // frames asked for at once

/** The bytes from the server: length of the header, header (JSON), PNGs one after the other. */
function unpacked(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  let at = 4 + length;
  const pngs = header.frames.map(([channel, i, size]) => {
    const png = bytes.slice(at, at + size);
    at += size;
    return [channel, i, png];
  });
  return { header, pngs };
}

/** All frames of a film that the browser has, with those that have just come. */
function frames_of(header, pngs) {
  const frames = kept.get(header.id) ?? Object.fromEntries(Object.keys(header.labels).map((channel) => [channel, []]));
  kept.delete(header.id);
  kept.set(header.id, frames);
  for (const [channel, i, png] of pngs) frames[channel][i] ??= URL.createObjectURL(new Blob([png], { type: "image/png" }));
  for (const id of [...kept.keys()].slice(0, -FILMS)) {
    Object.values(kept.get(id)).flat().forEach(URL.revokeObjectURL);
    kept.delete(id);
  }
  return frames;
}

/** The film's own state: which frame, which channel, how fast. */
function strip_of(element, header) {
  const old = strips.get(element);
  if (old?.id === header.id) return old;
  old?.stop();
  const strip = {
    id: header.id,
    at: header.length[header.tab] - 1,
    tab: header.tab,
    speed: old?.speed ?? 1,
    timer: null,
    asked: 0,
  };
  strip.stop = () => {
    clearTimeout(strip.timer);
    strip.timer = null;
  };
  strips.set(element, strip);
  return strip;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const $ = (selector) => parentElement.querySelector(selector);
  const { header, pngs } = unpacked(data);
  const frames = frames_of(header, pngs);
  const strip = strip_of(parentElement, header);
  const film = $(".film"),
    stage = $(".stage"),
    img = $(".frame"),
    mark = $(".mark"),
    caption = $("figcaption");
  const range = $("input"),
    speed = $("select"),
    thumbs = $(".thumbs"),
    tabs = $(".tabs"),
    play = $(".play");
  const names = Object.keys(header.labels);
  const row = () => (header.row ? pictures_of(header.row) : []);
  const count = () => header.length[strip.tab];
  if (pngs.length) strip.asked = 0;
  strip.pixel = header.pixel ?? null;

  /** Ask the server for frames that are not here yet, once at a time. */
  const ask = (wanted) => {
    const missing = [...new Set(wanted)].filter((i) => i >= 0 && i < count() && !frames[strip.tab][i]);
    if (!missing.length || Date.now() - strip.asked < 4000) return;
    strip.asked = Date.now();
    setTriggerValue("ask", { id: header.id, channel: strip.tab, frames: missing.slice(0, AHEAD) });
  };
  const nearest = (i) => {
    const here = frames[strip.tab];
    for (let d = 0; d < count(); d += 1) {
      if (here[i - d]) return here[i - d];
      if (here[i + d]) return here[i + d];
    }
    return "";
  };
  const around = (i) => [
    i,
    ...header.thumbs,
    ...Array.from({ length: AHEAD }, (_, k) => i + (k % 2 ? -1 : 1) * Math.ceil((k + 1) / 2)),
  ];

  /** Which of a frame's pictures, and where it lies in the frame. */
  const cell = (k) => {
    const [height, width] = header.cell;
    return [(k % header.columns) * (width + 1), Math.floor(k / header.columns) * (height + 1), width, height];
  };
  const paint = (canvas, frame, pictures) => {
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    pictures.forEach((k, i) => {
      const [x, y, width, height] = cell(k);
      context.drawImage(frame, x, y, width, height, i * (width + 1), 0, width, height);
    });
  };
  /** The row's own pictures show the frame; at the end of x_t they are the server's again. */
  const follow = (url) => {
    const end = strip.tab === "xt" && strip.at === header.t.length;
    strip.wanted = url;
    if (end || !url) {
      row().forEach(uncover);
      return;
    }
    const frame = new Image();
    frame.onload = () => {
      if (strip.wanted !== url) return;
      row().forEach((picture, i) => {
        const pictures = header.places[i];
        if (!pictures) return;
        const [height, width] = header.cell;
        paint(over(picture, pictures.length * (width + 1) - 1, height, true), frame, pictures);
      });
    };
    frame.src = url;
  };

  const draw_mark = () => {
    mark.hidden = !strip.pixel;
    if (!strip.pixel) return;
    const [row, column] = strip.pixel;
    const percent = (v, whole) => `${(100 * v) / whole}%`;
    mark.style.left = percent(column, header.width);
    mark.style.top = percent(row, header.height);
    mark.style.width = percent(1, header.width);
    mark.style.height = percent(1, header.height);
  };
  const words = () => {
    const last = strip.at === header.t.length;
    const i = Math.min(strip.at, header.t.length - 1);
    const where = last ? `after step ${header.step[i]} of ${header.total}` : `step ${header.step[i]} of ${header.total}`;
    return `${where} \u00b7 ${last ? header.end : `t = ${header.t[i]}`}`;
  };
  const show = () => {
    const here = frames[strip.tab][strip.at];
    const url = here ?? nearest(strip.at);
    if (header.row) follow(url);
    else img.src = url;
    img.alt = `${header.alt}, ${header.labels[strip.tab]}, ${words()}`;
    caption.textContent = words() + (here ? "" : " \u00b7 on its way ...");
    range.max = count() - 1;
    range.value = strip.at;
    range.setAttribute("aria-valuetext", words());
    const on = header.thumbs.findLast((i) => i <= strip.at) ?? 0;
    for (const e of thumbs.children) {
      e.className = Number(e.dataset.at) === on ? "on" : "";
      if (e.className) thumbs.scrollLeft = e.offsetLeft - thumbs.clientWidth / 2;
    }
    for (const e of tabs.children) e.setAttribute("aria-selected", e.dataset.tab === strip.tab);
    if (!here) ask(around(strip.at));
  };
  /** A small picture: of a row, one from its middle. */
  const one_of = (small, url) => {
    const made = header.places.filter(Boolean);
    const first = made[made.length >> 1] ?? [0];
    [small.height, small.width] = header.cell;
    const frame = new Image();
    frame.onload = () => paint(small, frame, first.slice(0, 1));
    frame.src = url;
  };
  const fill = () => {
    const here = header.thumbs.filter((i) => i < count() && frames[strip.tab][i]);
    const fit = header.row ? Math.max(4, Math.floor((thumbs.clientWidth || 600) / 52)) : here.length;
    const at = here.filter(
      (_, k) =>
        k === 0 || Math.floor((k * (fit - 1)) / (here.length - 1)) !== Math.floor(((k - 1) * (fit - 1)) / (here.length - 1)),
    );
    thumbs.replaceChildren(
      ...at.map((i) => {
        const button = document.createElement("button"),
          small = document.createElement(header.row ? "canvas" : "img");
        button.type = "button";
        button.tabIndex = -1;
        button.dataset.at = i;
        button.setAttribute("aria-label", i < header.t.length ? `step ${header.step[i]}` : "the end");
        if (header.row) one_of(small, frames[strip.tab][i]);
        else {
          small.src = frames[strip.tab][i];
          small.alt = "";
          small.style.width = `${(46 * header.width) / header.height}px`;
        }
        button.append(small);
        button.onclick = () => {
          pause();
          go_to(i);
        };
        return button;
      }),
    );
  };
  const label = () => {
    const by_step = strip.speed === 0;
    play.textContent = by_step ? "Step" : strip.timer ? "Pause" : "Play";
    play.setAttribute("aria-label", by_step ? "next step" : strip.timer ? "pause" : "play");
    caption.setAttribute("aria-live", strip.timer ? "off" : "polite");
  };
  const pause = () => {
    strip.stop();
    label();
  };
  const go_to = (i) => {
    strip.at = Math.min(Math.max(i, 0), count() - 1);
    show();
  };
  const go = (d) => {
    pause();
    go_to(strip.at + d);
  };
  const toggle = () => {
    if (strip.timer) return pause();
    if (strip.speed === 0) return go_to(strip.at === count() - 1 ? 0 : strip.at + 1);
    if (strip.at === count() - 1) go_to(0);
    const each = (SECONDS * 1000) / strip.speed / count(); // milliseconds a frame; the screen keeps up with some twenty a second
    const stride = Math.max(1, Math.ceil(50 / each));
    const tick = () => {
      if (!stage.isConnected) return strip.stop();
      const next = Math.min(strip.at + stride, count() - 1);
      if (!frames[strip.tab][next]) {
        ask(Array.from({ length: AHEAD }, (_, k) => Math.min(next + k * stride, count() - 1)));
        strip.timer = setTimeout(tick, 50); // waits for it: no step is left out because it came late
        return;
      }
      go_to(next);
      ask(Array.from({ length: AHEAD }, (_, k) => Math.min(next + k * stride, count() - 1)));
      if (next === count() - 1) return pause();
      strip.timer = setTimeout(tick, each * stride);
    };
    strip.timer = setTimeout(tick, each * stride);
    label();
  };

  tabs.replaceChildren(
    ...names.map((name) => {
      const b = document.createElement("button");
      b.type = "button";
      b.role = "tab";
      b.dataset.tab = name;
      b.textContent = header.labels[name];
      b.onclick = () => {
        strip.tab = name;
        strip.at = Math.min(strip.at, count() - 1);
        fill();
        show();
        ask(header.thumbs);
      };
      return b;
    }),
  );
  tabs.hidden = names.length < 2;
  stage.style.setProperty("--wide", `${header.wide}px`);
  img.width = header.width;
  img.height = header.height;
  stage.classList.toggle("picks", header.picks);
  $("figure").classList.toggle("follows", Boolean(header.row));
  film.classList.toggle("compact", Boolean(header.row));
  const pick = (e, picture, [width, height], [down, across]) => {
    const box = picture.getBoundingClientRect();
    const x = Math.floor(((e.clientX - box.left) / box.width) * width) % (across + 1);
    const y = Math.floor(((e.clientY - box.top) / box.height) * height) % (down + 1);
    if (x < 0 || y < 0 || x >= across || y >= down) return; // between two pictures
    pause();
    strip.pixel = [y, x];
    draw_mark();
    setTriggerValue("pixel", { id: header.id, row: y, column: x, frame: Math.min(strip.at, header.t.length - 1) });
  };
  const [down, across] = header.cell;
  row().forEach((picture, i) => {
    const pictures = header.places[i];
    picture.onclick =
      header.picks && pictures ? (e) => pick(e, picture, [pictures.length * (across + 1) - 1, down], header.cell) : null;
    picture.style.cursor = picture.onclick ? "crosshair" : "";
  });
  stage.onclick = (e) => {
    film.focus({ preventScroll: true });
    if (!header.picks) return;
    pick(e, img, [header.width, header.height], header.cell);
  };
  $(".back").onclick = () => go(-1);
  $(".forward").onclick = () => go(1);
  play.onclick = toggle;
  speed.value = String(strip.speed);
  speed.onchange = () => {
    pause();
    strip.speed = Number(speed.value);
    label();
  };
  range.oninput = () => {
    pause();
    go_to(Number(range.value));
  };
  film.onkeydown = (e) => {
    if (e.ctrlKey || e.altKey || e.metaKey || e.target === speed) return;
    if (e.key === " " && e.target.tagName === "BUTTON") return; // the button's own
    const keys = {
      ArrowLeft: () => go(-1),
      ArrowRight: () => go(1),
      Home: () => go(-count()),
      End: () => go(count()),
      " ": toggle,
    };
    if (!keys[e.key]) return;
    e.preventDefault();
    e.stopPropagation();
    keys[e.key]();
  };
  fill();
  label();
  draw_mark();
  show();
  return () => {
    strip.stop();
    strip.wanted = "";
    row().forEach(uncover);
  };
}
