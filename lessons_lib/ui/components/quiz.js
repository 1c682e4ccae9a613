// Three questions. What is right stays hidden until an option is chosen; the choice is kept in this browser, beside the learner's
// other work. On a projector it is a poll: a count of hands for each option, and the answer when it is asked for.
const KEY = "diffusion-step-by-step/quiz/";

function kept(slug) {
  try {
    return JSON.parse(window.localStorage.getItem(KEY + slug)) ?? {};
  } catch {
    return {};
  }
}

function keep(slug, chosen) {
  try {
    window.localStorage.setItem(KEY + slug, JSON.stringify(chosen));
  } catch {
    // a private window keeps nothing
  }
}

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

const states = new WeakMap();

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".quiz");
  const find = (what) => root.querySelector(what);
  const { slug, questions, poll } = data;
  const chosen = kept(slug);
  const before = states.get(parentElement);
  const state = before?.slug === slug ? before : { slug, at: 0, counts: questions.map((q) => q.options.map(() => 0)), shown: {} };
  states.set(parentElement, state);
  root.classList.toggle("poll", poll);

  const answerOf = (i) => (questions[i].options.includes(chosen[questions[i].text]) ? chosen[questions[i].text] : undefined);

  function draw() {
    const { at } = state;
    const { text, options, right, why } = questions[at];
    const answer = poll ? (state.shown[at] ? right : undefined) : answerOf(at);
    find(".title").textContent = poll ? "A question to the room" : "What do you know now?";
    find("legend").textContent = text;
    find(".dots").replaceChildren(
      ...questions.map((q, i) => {
        const said = poll ? undefined : answerOf(i);
        const mark = said === undefined ? "" : said === q.right ? "right" : "wrong";
        const dot = make("button", mark, mark === "right" ? "✓" : String(i + 1));
        dot.type = "button";
        dot.setAttribute("aria-label", `question ${i + 1}${mark && `, ${mark}`}`);
        if (i === at) dot.setAttribute("aria-current", "true");
        dot.onclick = () => {
          state.at = i;
          draw();
        };
        return dot;
      }),
    );
    find(".options").replaceChildren(
      ...options.map((option, i) => (poll ? counted(option, i, answer) : offered(option, i, answer, right))),
    );
    const verdict = answer === undefined ? "" : poll ? `${right}. ` : answer === right ? "Right. " : `Not quite: ${right}. `;
    find(".verdict").replaceChildren(make("strong", "", verdict), answer === undefined ? "" : why);
    find(".show").hidden = !poll || answer !== undefined;
    find(".next").hidden = at === questions.length - 1;
  }

  function offered(option, i, answer, right) {
    const label = make(
      "label",
      `option${answer === undefined ? "" : option === right ? " right" : option === answer ? " wrong" : ""}`,
    );
    const radio = make("input");
    radio.type = "radio";
    radio.name = `quiz-${slug}-${state.at}`;
    radio.value = String(i);
    radio.checked = option === answer;
    radio.onchange = () => {
      chosen[questions[state.at].text] = option;
      keep(slug, chosen);
      draw();
      find(`input[value="${i}"]`).focus();
    };
    label.append(radio, make("span", "", option));
    return label;
  }

  function counted(option, i, answer) {
    const label = make("label", `option${option === answer ? " right" : ""}`);
    const count = make("input");
    count.type = "number";
    count.min = "0";
    count.max = "9999";
    count.value = String(state.counts[state.at][i]);
    const words = make("span", "", option);
    const share = make("span", "share");
    const bar = make("span", "bar");
    words.append(" ", share, bar);
    count.oninput = () => {
      state.counts[state.at][i] = Math.min(Math.max(Number.parseInt(count.value, 10) || 0, 0), 9999);
      shares();
    };
    label.append(count, words);
    queueMicrotask(shares);
    return label;
  }

  function shares() {
    const counts = state.counts[state.at];
    const all = counts.reduce((a, b) => a + b, 0);
    [...find(".options").children].forEach((option, i) => {
      const part = all ? counts[i] / all : 0;
      option.querySelector(".bar").style.width = `${100 * part}%`;
      option.querySelector(".share").textContent = all ? `${Math.round(100 * part)} %` : "";
    });
  }

  find(".show").onclick = () => {
    state.shown[state.at] = true;
    draw();
  };
  find(".next").onclick = () => {
    state.at += 1;
    draw();
  };
  draw();
}
