const timers = new WeakMap();
export default function ({ data, parentElement }) {
  const img = parentElement.querySelector("img"),
    button = parentElement.querySelector("button");
  const n = data.frames.length,
    rest = 14;
  let at = n - 1,
    still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  img.alt = data.alt;
  img.width = data.width;
  img.height = data.height;
  img.style.height = "auto";
  const show = () => {
    img.src = data.frames[Math.min(at, n - 1)];
  };
  const label = () => {
    button.textContent = still ? "Play" : "Pause";
    button.setAttribute("aria-label", still ? "play" : "pause");
  };
  clearInterval(timers.get(parentElement));
  const timer = setInterval(() => {
    if (!still) {
      at = (at + 1) % (n + rest);
      show();
    }
  }, 160);
  timers.set(parentElement, timer);
  button.onclick = () => {
    still = !still;
    if (still) at = n - 1;
    label();
    show();
  };
  label();
  show();
  return () => clearInterval(timers.get(parentElement));
}
