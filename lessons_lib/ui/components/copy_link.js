// Copies the address bar, which always tells the view.
export default function ({ parentElement }) {
  const button = parentElement.querySelector("button");
  const label = "Copy link to this view";
  button.onclick = async () => {
    const address = window.location.href;
    try {
      await navigator.clipboard.writeText(address);
      button.textContent = "Link copied";
    } catch {
      window.prompt("Copy this link", address); // no clipboard without https
    }
    setTimeout(() => {
      button.textContent = label;
    }, 1800);
  };
}
