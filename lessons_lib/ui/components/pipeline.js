// The whole machine: one picture walks out of noise step by step, and beside it the network is asked what it learned from. Each
// step has four moments: what is shown, the network, its answer, what follows from it.
const playing = new WeakMap();
const MOMENTS = ["noise", "network", "answer", "step"];
const TAUGHT = { noise: ["real", "added", "mixed"], network: ["network"], answer: ["guess"], step: ["truth"] };

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".pipeline");
  const find = (what) => root.querySelector(what);
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const { frames, answers, lessons, index, total, words } = data;
  const state = { at: 0, moment: 0, plays: false };
  clearTimeout(playing.get(parentElement));

  const put = (name, src, alt, caption) => {
    const figure = part(name);
    figure.querySelector("img").src = src;
    figure.querySelector("img").alt = alt;
    if (caption !== undefined) figure.querySelector("figcaption").textContent = caption;
  };

  const strip = find(".film");
  strip.replaceChildren(
    ...frames.map((src, i) => {
      const item = document.createElement("div");
      item.setAttribute("role", "listitem");
      const button = document.createElement("button");
      const image = document.createElement("img");
      image.src = src;
      image.alt = i === 0 ? "pure noise" : i === frames.length - 1 ? "the picture" : `after step ${index[i - 1] + 1}`;
      button.type = "button";
      button.onclick = () => go(i);
      button.append(image);
      item.append(button);
      return item;
    }),
  );
  const range = find("input");
  range.max = String(frames.length - 1);

  function draw() {
    const { at, moment } = state;
    const last = frames.length - 1;
    const here = Math.min(at, last - 1);
    const done = at === last;
    const now = done ? "step" : MOMENTS[moment];
    const lesson = lessons[here % lessons.length];
    put(
      "noise",
      frames[here],
      here ? "a noisy picture" : "pure noise",
      here ? "what we have" : "pure noise: grains drawn by dice",
    );
    put("answer", answers[here], "the noise that it sees", "its guess: the noise");
    put("step", frames[here + 1], "a little less noise", here + 1 === last ? "the picture" : "a little of that taken away");
    part("answer").classList.toggle("waits", !done && moment < 2);
    part("step").classList.toggle("waits", !done && moment < 3);
    put("real", lesson.real, lesson.name);
    put("added", lesson.added, "noise");
    put("mixed", lesson.mixed, `${lesson.name}, under noise`);
    put("guess", lesson.guess, "the noise that it sees");
    put("truth", lesson.added, "the noise that we made", "what it was. The less they differ, the better");
    part("guess").classList.toggle("waits", !done && moment < 2);
    part("truth").classList.toggle("waits", !done && moment < 3);
    for (const element of root.querySelectorAll("[data-part]")) {
      const name = element.dataset.part;
      element.classList.toggle("lit", now === name || TAUGHT[now].includes(name));
    }
    find(".words").textContent = `“${words}”`;
    find(".again span").textContent = `that is the next “what we have”: ${total} times in all`;
    [...strip.children].forEach((item, i) => {
      if (i === (moment === 3 ? here + 1 : at)) item.firstChild.setAttribute("aria-current", "step");
      else item.firstChild.removeAttribute("aria-current");
    });
    range.value = String(at);
    const where =
      at === 0 ? "pure noise" : done ? `after ${total} steps: the picture` : `after step ${index[at - 1] + 1} of ${total}`;
    range.setAttribute("aria-valuetext", where);
    if (find(".where").textContent !== where) find(".where").textContent = where;
    find(".where").setAttribute("aria-live", state.plays ? "off" : "polite");
    find(".play").textContent = state.plays ? "Pause" : done ? "Play again" : "Play";
  }

  function go(at, moment = 0) {
    state.at = at;
    state.moment = moment;
    draw();
  }

  function next() {
    if (state.at >= frames.length - 1) return false;
    if (state.moment < 3) go(state.at, state.moment + 1);
    else go(state.at + 1);
    return true;
  }

  function tick() {
    clearTimeout(playing.get(parentElement));
    if (!state.plays) return;
    if (!next()) {
      state.plays = false;
      draw();
      return;
    }
    const patience = state.at < 2 ? 900 : 260; // the first two steps are to be understood, the others to be watched
    playing.set(parentElement, setTimeout(tick, patience));
  }

  function play(on) {
    state.plays = on;
    if (on && state.at >= frames.length - 1) go(0);
    draw();
    clearTimeout(playing.get(parentElement));
    if (on) playing.set(parentElement, setTimeout(tick, 500));
  }

  find(".play").onclick = () => play(!state.plays);
  find(".step").onclick = () => {
    play(false);
    if (state.at >= frames.length - 1) go(0);
    else go(state.at + 1);
  };
  range.oninput = () => {
    const at = Number(range.value);
    play(false);
    go(at);
  };
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (still) go(frames.length - 1);
  else play(true);
  return () => clearTimeout(playing.get(parentElement));
}
