// The address bar tells the view. The server writes the view's link into an element beside this one, whenever it likes.
let linked = null;

function stage() {
  const main = document.querySelector("[data-testid=stMain]");
  return main?.querySelector(".st-key-stage") ?? main?.querySelector("[data-testid=stImage], [data-testid=stProgress]");
}

export default function ({ parentElement }) {
  const follow = () => {
    const now = document.querySelector("[data-address]");
    const last = window.location.pathname.split("/").pop();
    if (!now || (now.dataset.path ? now.dataset.path !== last : /^[A-Z]/.test(last))) return;
    const search = now.dataset.address ? `?${now.dataset.address}` : "";
    const times = Number(now.dataset.linked);
    const followed = linked !== null && times > linked;
    linked = times;
    if (search !== window.location.search) {
      const address = window.location.pathname + search + window.location.hash;
      window.history[followed ? "pushState" : "replaceState"]({}, "", address);
    }
    if (followed) {
      const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
      stage()?.scrollIntoView({ behavior: still ? "auto" : "smooth", block: "center" });
    }
  };
  const host = parentElement instanceof ShadowRoot ? parentElement.host : parentElement;
  const observer = new MutationObserver(follow);
  observer.observe(host.closest(".st-key-address") ?? document.body, { subtree: true, childList: true, attributes: true });
  follow();
  return () => observer.disconnect();
}
