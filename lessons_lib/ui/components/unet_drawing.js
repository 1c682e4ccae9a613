export default function ({ data, parentElement, setTriggerValue }) {
  const box = parentElement.querySelector(".unet");
  box.innerHTML = data.svg;
  box.querySelectorAll("g.block").forEach((g) => {
    g.onclick = () => setTriggerValue("block", g.dataset.name);
  });
}
