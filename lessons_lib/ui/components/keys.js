// Ctrl+Enter runs and Escape stops what the page marks with "_shortcuts"; both only while no field, list or help has the focus.
// On a projector PageUp and PageDown go to the lesson before and after, e is the way out, q shows the QR code.
// Streamlit's own "r" and "c", which run the page again or clear its caches, would end a walk and are kept from it.
const FIELDS = "input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable=true]";
const LISTS = "[role=listbox], [role=combobox], [role=menu], [role=dialog], [role=option]";
const HELP_OPEN = "[role=tooltip], [data-testid=stTooltipContent]";
const OPEN = "[role=listbox], [role=menu], [role=dialog], [data-testid=stPopoverBody]"; // Escape closes these, and nothing else
const HELP = `${HELP_OPEN}, [data-testid=stTooltipIcon]`;

function focused() {
  let active = document.activeElement;
  while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
  return active;
}

function shows(what) {
  return [...document.querySelectorAll(what)].some((e) => e.checkVisibility());
}

// Something has the keys to itself: what is typed in, or a list, a window or a bubble of help.
function taken() {
  return Boolean(focused()?.closest(`${FIELDS}, ${LISTS}, ${HELP}`)) || shows(OPEN);
}

function press(which) {
  const button = document.querySelector(`[class*="_shortcuts"] [class*="_${which}"] button:not(:disabled)`);
  if (!button) return false;
  button.click();
  return true;
}

function listen(event) {
  if (taken()) return;
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey;
  if (plain && (event.key === "r" || event.key === "c")) event.stopImmediatePropagation();
  const presses = plain && { PageUp: "back", PageDown: "next", e: "exit", q: "qr" }[event.key]; // on a projector; so do clickers
  const pressed = presses && document.querySelector(`.st-key-present_${presses} :is(a, button)`);
  if (pressed) {
    pressed.click();
    event.preventDefault();
    event.stopImmediatePropagation();
    return;
  }
  const run = event.key === "Enter" && (event.ctrlKey || event.metaKey);
  const running = document.querySelector('[data-testid="stApp"][data-test-script-state="running"]');
  const stop = event.key === "Escape" && plain && running && !shows(HELP_OPEN);
  if ((run && press("run")) || (stop && press("stop"))) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}

export default function () {
  window.addEventListener("keydown", listen, true); // before anything else closes what is open
  document.documentElement.dataset.keys = "heard";
  return () => window.removeEventListener("keydown", listen, true);
}
