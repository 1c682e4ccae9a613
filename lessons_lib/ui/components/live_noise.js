// x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps while the slider is dragged, in the browser. The arithmetic is the server's,
// float32 step by step, so that the pixels are the same when the slider is let go.
import { over, pictures_of } from "./over.js";

const arrays = new Map(); // id -> {alpha_bar, x0, eps}: sent once
const KEPT = 4;
const f = Math.fround;

function unpacked(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const rest = bytes.slice(4 + length).buffer; // a copy, so that it begins at an address for float64
  if (rest.byteLength) {
    const alpha_bar = new Float64Array(rest, 0, header.T);
    const both = new Float32Array(rest, 8 * header.T);
    const n = both.length / 2;
    arrays.set(header.id, { alpha_bar, x0: both.subarray(0, n), eps: both.subarray(n) });
    for (const id of [...arrays.keys()].slice(0, -KEPT)) arrays.delete(id);
  }
  return header;
}

/** float32 in [-1, 1] -> 0 .. 255, halves to the even one, as torch rounds. */
function byte(x) {
  const v = f(f(x + 1) * 127.5);
  const low = Math.floor(v);
  const up = v - low > 0.5 || (v - low === 0.5 && low % 2 === 1);
  return Math.min(Math.max(low + up, 0), 255);
}

/** Three digits, without zeros at the end. */
function short(x) {
  return String(Number(x.toPrecision(3)));
}

/** Draw x_t into the canvas; returns its correlation with x0. */
function draw(canvas, { x0, eps }, [channels, height, width], signal, noise) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const n = width * height;
  let sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0;
  for (let c = 0; c < channels; c += 1) {
    for (let i = 0; i < n; i += 1) {
      const a = x0[c * n + i];
      const x = f(f(signal * a) + f(noise * eps[c * n + i]));
      sx += a; sy += x; sxx += a * a; syy += x * x; sxy += a * x;
      const v = byte(x);
      if (channels === 1) image.data[4 * i] = image.data[4 * i + 1] = image.data[4 * i + 2] = v;
      else image.data[4 * i + c] = v;
    }
  }
  for (let i = 0; i < n; i += 1) image.data[4 * i + 3] = 255;
  context.putImageData(image, 0, 0);
  const m = n * channels;
  const spread = Math.sqrt((sxx - (sx * sx) / m) * (syy - (sy * sy) / m));
  return spread > 0 ? (sxy - (sx * sy) / m) / spread : 0;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const header = unpacked(data);
  const slider = document.querySelector(`.st-key-${CSS.escape(header.slider)}`);
  const here = arrays.get(header.id);
  if (!here) {
    setTriggerValue("ask", header.id);
    return;
  }
  const $ = (name) => parentElement.querySelector(`.${name}`);
  $("numbers").hidden = !header.numbers;
  let shown = -1;
  const follow = () => {
    const input = slider?.querySelector("input[type=range]");
    const img = pictures_of(header.row)[header.index];
    if (!input || !img) return;
    const place = Math.round((Number(input.value) - header.low) / header.step);
    const t = header.ts ? header.ts[place] : place;
    if (t === undefined) return;
    const canvas = over(img, header.shape[2], header.shape[1]);
    if (t === shown && canvas.dataset.id === `${header.id}-${t}`) return;
    const started = performance.now();
    const a = here.alpha_bar[t];
    const correlation = draw(canvas, here, header.shape, f(Math.sqrt(a)), f(Math.sqrt(1 - a)));
    shown = t;
    canvas.dataset.id = `${header.id}-${t}`;
    const words = img.parentElement.querySelector("[data-testid=stImageCaption] p")?.firstChild;
    if (words && words.nodeValue !== header.caption.replace("{t}", t)) words.nodeValue = header.caption.replace("{t}", t);
    $("a").textContent = a.toFixed(4);
    $("snr").textContent = short(a / (1 - a));
    $("own").textContent = short((a / (1 - a)) * header.variance);
    $("correlation").textContent = correlation.toFixed(3);
    canvas.dataset.took = (performance.now() - started).toFixed(2);
    canvas.dataset.t = t;
  };
  const watcher = new MutationObserver(follow);
  if (slider) watcher.observe(slider, { subtree: true, attributes: true, childList: true, characterData: true });
  follow();
  const late = setTimeout(follow, 300); // the row of pictures may stand a moment after this
  return () => {
    watcher.disconnect();
    clearTimeout(late);
  };
}
