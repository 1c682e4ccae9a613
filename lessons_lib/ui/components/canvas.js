// A square to draw on: pen, eraser and rectangle, undo and clear; by mouse, by finger, and by keyboard.
// A stroke is [tool, colour, width, x0, y0, x1, y1, ...], lengths in thousandths of the side, as lessons_lib/files/strokes.py draws it.
const boards = new WeakMap(); // what is drawn, so that a rerun of the page takes nothing away

export default function ({ data, parentElement, setStateValue }) {
  const $ = (selector) => parentElement.querySelector(selector);
  let board = boards.get(parentElement);
  if (!board) {
    board = {
      strokes: data.strokes,
      before: data.strokes.map((_, i) => data.strokes.slice(0, i)),
      now: null,
      at: [500, 500],
      tool: data.tools[0],
      colour: data.colour,
      width: data.width,
      keys: false,
    };
    boards.set(parentElement, board);
  }
  const canvas = $("canvas"),
    ink = document.createElement("canvas"),
    say = (text) => {
      $("output").textContent = text;
    };
  canvas.setAttribute(
    "aria-label",
    `${data.label}. Arrow keys move, with Shift in small steps; Space puts the pen down and lifts it; Delete undoes.`,
  );

  // --- what is seen -----------------------------------------------------------------------------------------------------
  const picture = new Image();
  picture.onload = () => show();
  if (data.picture) picture.src = data.picture;

  const trace = (context, [tool, colour, width, ...at], side) => {
    const k = side / 1000;
    context.globalCompositeOperation = tool === "eraser" ? "destination-out" : "source-over";
    context.fillStyle = context.strokeStyle = colour;
    if (tool === "rectangle") {
      const [x0, y0, x1, y1] = [at[0], at[1], at[at.length - 2], at[at.length - 1]].map((v) => v * k);
      context.fillRect(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0));
      return;
    }
    context.lineWidth = width * k;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    context.moveTo(at[0] * k, at[1] * k);
    for (let i = 2; i < at.length; i += 2) context.lineTo(at[i] * k, at[i + 1] * k);
    if (at.length === 2) context.lineTo(at[0] * k + 0.01, at[1] * k);
    context.stroke();
  };
  const show = () => {
    const side = Math.max(1, Math.round(canvas.clientWidth * (window.devicePixelRatio || 1)));
    for (const c of [canvas, ink]) if (c.width !== side || c.height !== side) c.width = c.height = side;
    const context = canvas.getContext("2d"),
      layer = ink.getContext("2d");
    layer.clearRect(0, 0, side, side);
    for (const stroke of board.now ? [...board.strokes, board.now] : board.strokes) trace(layer, stroke, side);
    context.globalAlpha = 1;
    context.fillStyle = data.paper;
    context.fillRect(0, 0, side, side);
    context.imageSmoothingEnabled = false;
    if (data.picture && picture.complete) context.drawImage(picture, 0, 0, side, side);
    context.globalAlpha = data.opacity;
    context.drawImage(ink, 0, 0);
    context.globalAlpha = 1;
    if (board.keys && parentElement.contains(canvas)) {
      // where the keyboard's pen stands
      const [x, y] = board.at.map((v) => (v * side) / 1000),
        r = side / 30;
      for (const [colour, wide] of [
        ["#000", 5],
        ["#fff", 2],
      ]) {
        context.strokeStyle = colour;
        context.lineWidth = wide;
        context.beginPath();
        context.moveTo(x - r, y);
        context.lineTo(x + r, y);
        context.moveTo(x, y - r);
        context.lineTo(x, y + r);
        context.stroke();
      }
    }
    $(".undo").disabled = !board.before.length && !board.now;
    $(".clear").disabled = !board.strokes.length && !board.now;
  };

  // --- what is drawn ----------------------------------------------------------------------------------------------------
  const change = (strokes) => {
    board.before.push(board.strokes);
    board.strokes = strokes;
    board.now = null;
    setStateValue("strokes", strokes);
    show();
  };
  const undo = () => {
    if (board.now) board.now = null;
    else if (board.before.length) {
      board.strokes = board.before.pop();
      setStateValue("strokes", board.strokes);
    }
    say(board.strokes.length + (board.strokes.length === 1 ? " stroke left" : " strokes left"));
    show();
  };
  const begin = ([x, y]) => {
    board.now = [board.tool, board.tool === "pen" && data.colours ? board.colour : data.colour, board.width, x, y];
    show();
  };
  const go_on = ([x, y]) => {
    const now = board.now,
      n = now.length;
    if (board.tool === "rectangle") board.now = [...now.slice(0, 5), x, y];
    else if (n < 1500 && Math.hypot(x - now[n - 2], y - now[n - 1]) >= 4) now.push(x, y);
    show();
  };
  const finish = () => {
    const now = board.now;
    if (!now) return;
    if (now[0] === "rectangle" && (now.length < 7 || (Math.abs(now[5] - now[3]) < 8 && Math.abs(now[6] - now[4]) < 8))) {
      board.now = null; // a mere tap is no rectangle
      say("For a rectangle, drag from one corner to the other.");
      return show();
    }
    say("");
    change([...board.strokes, now]);
  };
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top].map((v, i) =>
      Math.round(Math.min(1100, Math.max(-100, (1000 * v) / (i ? box.height : box.width)))),
    );
  };
  canvas.onpointerdown = (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    board.keys = false;
    board.pointer = event.pointerId;
    canvas.setPointerCapture(event.pointerId);
    begin(place(event));
  };
  canvas.onpointermove = (event) => {
    if (board.pointer !== event.pointerId || !board.now) return;
    const all = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    for (const one of all.length ? all : [event]) go_on(place(one));
  };
  canvas.onpointerup = (event) => {
    if (board.pointer === event.pointerId) {
      board.pointer = null;
      finish();
    }
  };
  canvas.onpointercancel = () => {
    board.pointer = null;
    board.now = null;
    show();
  };
  canvas.onkeydown = (event) => {
    const step = event.shiftKey ? 10 : 50;
    const move = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) {
      if (event.key.toLowerCase() !== "z" || event.altKey) return;
      undo();
    } else if (move) {
      board.keys = true;
      board.at = board.at.map((v, i) => Math.min(1000, Math.max(0, v + move[i])));
      if (board.now) go_on(board.at);
      else show();
      const [left, top] = board.at;
      say(`${board.now ? "pen down, " : ""}${left / 10}% from the left, ${top / 10}% from the top`);
    } else if (event.key === " ") {
      board.keys = true;
      if (board.now) finish();
      else {
        begin(board.at);
        say("pen down");
      }
    } else if (event.key === "Delete" || event.key === "Backspace") undo();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  canvas.onblur = () => {
    if (board.keys) {
      board.keys = false;
      finish();
      show();
    }
  };
  $(".undo").onclick = undo;
  $(".clear").onclick = () => {
    if (board.now) board.now = null;
    say("cleared; Undo brings it back");
    change([]);
  };

  // --- the tools --------------------------------------------------------------------------------------------------------
  const row = (label, buttons) => {
    const e = document.createElement("div");
    e.className = "row";
    e.role = "group";
    e.setAttribute("aria-label", label);
    e.append(...buttons);
    return e;
  };
  const choice = (what, value, text, kind) => {
    const b = document.createElement("button");
    b.type = "button";
    b.className = kind;
    b.textContent = kind === "tool" ? text : "";
    b.setAttribute("aria-label", text);
    b.title = text;
    b.setAttribute("aria-pressed", board[what] === value);
    b.onclick = () => {
      board[what] = value;
      if (what === "colour") board.tool = "pen";
      tools();
    };
    return b;
  };
  const widest = Math.max(...Object.values(data.widths));
  const tools = () => {
    const focused = parentElement.activeElement || parentElement.getRootNode?.().activeElement;
    const name = focused?.tagName === "BUTTON" && focused.closest(".tools") ? focused.getAttribute("aria-label") : null;
    const rows = [
      row(
        "Tool",
        data.tools.map((t) => choice("tool", t, t, "tool")),
      ),
    ];
    if (data.colours) {
      rows.push(
        row(
          "Colour",
          Object.entries(data.colours).map(([text, value]) => {
            const b = choice("colour", value, text, "colour");
            b.style.backgroundColor = value;
            return b;
          }),
        ),
      );
    }
    if (board.tool !== "rectangle") {
      rows.push(
        row(
          "Width",
          Object.entries(data.widths).map(([text, value]) => {
            const b = choice("width", value, text, "width");
            b.style.setProperty("--dot", `${6 + 16 * (value / widest) ** 2}px`);
            return b;
          }),
        ),
      );
    }
    if (Object.keys(data.presets).length) {
      const text = document.createElement("span");
      text.textContent = "Begin with";
      rows.push(
        row("Begin with", [
          text,
          ...Object.entries(data.presets).map(([name, strokes]) => {
            const b = document.createElement("button");
            b.type = "button";
            b.textContent = name;
            b.className = "preset";
            b.onclick = () => change(strokes);
            return b;
          }),
        ]),
      );
    }
    $(".tools").replaceChildren(...rows);
    if (name) [...$(".tools").querySelectorAll("button")].find((b) => b.getAttribute("aria-label") === name)?.focus();
  };
  board.watch?.disconnect();
  board.watch = new ResizeObserver(show);
  board.watch.observe(canvas);
  tools();
  show();
  return () => board.watch.disconnect();
}
