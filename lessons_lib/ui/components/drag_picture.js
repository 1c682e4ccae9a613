const hands = new WeakMap(); // where each slider stands, so that a rerun of the page does not turn the picture back
export default function ({ data, parentElement }) {
  const $ = (s) => parentElement.querySelector(s),
    a = $(".a"),
    b = $(".b"),
    slider = $("input"),
    stage = $(".stage");
  const n = data.pictures.length,
    last = n - 1;
  if (hands.get(parentElement) !== data.id) {
    slider.value = data.start;
    hands.set(parentElement, data.id);
  }
  for (const e of [a, b]) {
    e.style.width = e.style.height = `${data.size}px`;
    e.style.transform = "";
    e.style.opacity = "";
  }
  b.style.visibility = data.motion === "fade" ? "visible" : "hidden";
  a.src = data.pictures[0];
  b.src = data.pictures[last];
  $("span").textContent = data.label;
  slider.setAttribute("aria-label", data.label);
  $(".hand").setAttribute("aria-label", `${data.label}. Arrow keys move, space jumps to the other end.`);
  const show = () => {
    const v = slider.value / 100;
    let i = v < 0.5 ? 0 : data.captions.length - 1,
      between = "";
    if (data.motion === "turn") {
      a.style.transform = `rotate(${data.degrees * v}deg)`;
      between = `${Math.abs(Math.round(data.degrees * v))} degrees`;
    }
    if (data.motion === "flip") {
      a.style.transform = `rotateX(${180 * v}deg)`;
      between = "turning over";
    }
    if (data.motion === "fade") {
      b.style.opacity = v;
      between = `${Math.round(100 * v)}% of the way`;
    }
    if (data.motion === "shrink") {
      const s = 1 - 0.93 * v,
        wide = Math.round(s * data.size);
      a.style.transform = `scale(${s})`;
      a.style.imageRendering = s < 0.45 ? "auto" : "pixelated";
      between = `${wide} pixels wide`;
    }
    if (data.motion === "step") {
      i = Math.round(v * last);
      a.src = data.pictures[i];
    }
    const at_end = data.motion === "step" || v < 0.01 || v > 0.99;
    const words = at_end ? data.captions[i] : between;
    $("output").textContent = data.motion === "shrink" && at_end ? `${between}: ${words}` : words;
    slider.setAttribute("aria-valuetext", $("output").textContent);
    a.alt = `${data.alt}, ${$("output").textContent}`;
  };
  const to = (value) => {
    slider.value = Math.min(100, Math.max(0, value));
    show();
  };
  slider.oninput = show;
  stage.onpointerdown = (e) => {
    const from = e.clientX,
      value = Number(slider.value);
    stage.setPointerCapture(e.pointerId);
    stage.onpointermove = (m) =>
      m.pointerId === e.pointerId && to(value + (100 * (m.clientX - from)) / (0.8 * stage.clientWidth));
    stage.onpointerup = stage.onpointercancel = () => {
      stage.onpointermove = null;
    };
  };
  $(".hand").onkeydown = (e) => {
    const step = data.motion === "step" ? 100 / last : 5;
    const move = { ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step }[e.key];
    if (e.key === " ") to(slider.value > 50 ? 0 : 100);
    else if (e.key === "Home") to(0);
    else if (e.key === "End") to(100);
    else if (move) to(Math.round(Number(slider.value) + move));
    else return;
    e.preventDefault();
  };
  show();
}
