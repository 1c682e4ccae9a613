// x_t = sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) eps while the slider is dragged, in the browser. The arithmetic is the server's,
// float32 step by step, so that the pixels are the same when the slider is let go. Where asked for, the same picture blurred, too.
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

/** Pixels into the canvas: values (C, H, W) in about [-1, 1]. */
function paint(canvas, values, [channels, height, width]) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const n = width * height;
  for (let c = 0; c < channels; c += 1) {
    for (let i = 0; i < n; i += 1) {
      const v = byte(values[c * n + i]);
      if (channels === 1) image.data[4 * i] = image.data[4 * i + 1] = image.data[4 * i + 2] = v;
      else image.data[4 * i + c] = v;
    }
  }
  for (let i = 0; i < n; i += 1) image.data[4 * i + 3] = 255;
  context.putImageData(image, 0, 0);
}

/** One line of pixels' weighted means: `count` values from `from`, `apart` from one another, mirrored at both ends. */
function smooth(into, values, from, apart, count, kernel) {
  const reach = (kernel.length - 1) / 2;
  for (let i = 0; i < count; i += 1) {
    let sum = 0;
    for (let k = 0; k < kernel.length; k += 1) {
      let at = Math.abs(i + k - reach);
      if (at >= count) at = 2 * (count - 1) - at;
      sum += kernel[k] * values[from + at * apart];
    }
    into[from + i * apart] = sum;
  }
}

/** images.blur(): a Gaussian that reaches three sigmas to each side, no further than the picture can be mirrored. */
export function blurred(values, [channels, height, width], sigma) {
  const reach = Math.min(Math.ceil(3 * sigma), Math.min(height, width) - 1);
  if (sigma === 0 || reach === 0) return values;
  const kernel = Float64Array.from({ length: 2 * reach + 1 }, (_, k) => Math.exp(-(((k - reach) / sigma) ** 2) / 2));
  const whole = kernel.reduce((a, b) => a + b);
  for (let k = 0; k < kernel.length; k += 1) kernel[k] /= whole;
  const across = new Float64Array(values.length);
  const made = new Float64Array(values.length);
  for (let line = 0; line < channels * height; line += 1) smooth(across, values, line * width, 1, width, kernel);
  for (let c = 0; c < channels; c += 1)
    for (let x = 0; x < width; x += 1) smooth(made, across, c * height * width + x, width, height, kernel);
  return made;
}

/** Three digits, without zeros at the end. */
function short(x) {
  return String(Number(x.toPrecision(3)));
}

function mixed({ x0, eps }, signal, noise) {
  return Float32Array.from(x0, (a, i) => f(f(signal * a) + f(noise * eps[i])));
}

function correlation_of(x0, xt) {
  const m = x0.length;
  let sx = 0,
    sy = 0,
    sxx = 0,
    syy = 0,
    sxy = 0;
  for (let i = 0; i < m; i += 1) {
    const a = x0[i],
      x = xt[i];
    sx += a;
    sy += x;
    sxx += a * a;
    syy += x * x;
    sxy += a * x;
  }
  const spread = Math.sqrt((sxx - (sx * sx) / m) * (syy - (sy * sy) / m));
  return spread > 0 ? (sxy - (sx * sy) / m) / spread : 0;
}

function said(img, caption) {
  const words = img.parentElement.querySelector("[data-testid=stImageCaption] p")?.firstChild;
  if (words && words.nodeValue !== caption) words.nodeValue = caption;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const header = unpacked(data);
  const slider = document.querySelector(`.st-key-${CSS.escape(header.slider)}`);
  const blur_slider = header.blur && document.querySelector(`.st-key-${CSS.escape(header.blur.slider)}`);
  const here = arrays.get(header.id);
  if (!here) {
    setTriggerValue("ask", header.id);
    return;
  }
  const $ = (name) => parentElement.querySelector(`.${name}`);
  $("numbers").hidden = !header.numbers;
  const timestep = () => {
    const place = Math.round((Number(slider?.querySelector("input[type=range]")?.value) - header.low) / header.step);
    return header.ts ? header.ts[place] : place;
  };
  let shown = -1;
  const follow = () => {
    const input = slider?.querySelector("input[type=range]");
    const img = pictures_of(header.row)[header.index];
    if (!input || !img) return;
    const t = timestep();
    if (t === undefined) return;
    const canvas = over(img, header.shape[2], header.shape[1]);
    if (t === shown && canvas.dataset.id === `${header.id}-${t}`) return;
    const started = performance.now();
    const a = here.alpha_bar[t];
    const xt = mixed(here, f(Math.sqrt(a)), f(Math.sqrt(1 - a)));
    paint(canvas, xt, header.shape);
    shown = t;
    canvas.dataset.id = `${header.id}-${t}`;
    said(img, header.caption.replace("{t}", t));
    $("a").textContent = a.toFixed(4);
    $("snr").textContent = short(a / (1 - a));
    $("own").textContent = short((a / (1 - a)) * header.variance);
    $("correlation").textContent = correlation_of(here.x0, xt).toFixed(3);
    canvas.dataset.took = (performance.now() - started).toFixed(2);
    canvas.dataset.t = t;
  };
  const blur = () => {
    const input = blur_slider?.querySelector("input[type=range]");
    const img = pictures_of(header.row)[header.blur?.index];
    const t = timestep();
    if (!input || !img || t === undefined) return;
    const sigma = Number(Number(input.value).toFixed(4));
    const canvas = over(img, header.shape[2], header.shape[1]);
    const id = `${header.id}-${t}-${sigma}`;
    if (canvas.dataset.id === id) return;
    const started = performance.now();
    const a = here.alpha_bar[t];
    const bright = f(Math.sqrt(a));
    const xt = mixed(here, bright, f(Math.sqrt(1 - a)));
    paint(
      canvas,
      blurred(
        xt.map((x) => f(x / bright)),
        header.shape,
        sigma,
      ),
      header.shape,
    );
    said(img, header.blur.caption.replace("{sigma}", sigma));
    Object.assign(canvas.dataset, { id, t, sigma, took: (performance.now() - started).toFixed(2) });
  };
  const both = () => {
    follow();
    blur();
  };
  const watcher = new MutationObserver(both);
  for (const one of [slider, blur_slider])
    if (one) watcher.observe(one, { subtree: true, attributes: true, childList: true, characterData: true });
  both();
  const late = setTimeout(both, 300); // the row of pictures may stand a moment after this
  return () => {
    watcher.disconnect();
    clearTimeout(late);
  };
}
