// Pictures of one size side by side, the same pixel marked in each; a click chooses another. By keyboard: the page's sliders.
export default function ({ data, parentElement, setTriggerValue }) {
  const [height, width] = data.size;
  const marks = [];
  const place = (row, column) => {
    for (const mark of marks) {
      mark.style.left = `${(100 * column) / width}%`;
      mark.style.top = `${(100 * row) / height}%`;
      mark.style.width = `${100 / width}%`;
      mark.style.height = `${100 / height}%`;
    }
  };
  const line = (tag, words, kind) => {
    const e = document.createElement(tag);
    e.textContent = words;
    if (kind) e.className = kind;
    return e;
  };
  const figure = (picture) => {
    const figure = document.createElement("figure"),
      stage = document.createElement("div"),
      img = document.createElement("img"),
      caption = document.createElement("figcaption"),
      mark = line("div", "", "mark");
    stage.className = "stage";
    img.src = picture.url;
    img.alt = picture.alt;
    img.width = width;
    img.height = height;
    stage.append(img, mark);
    marks.push(mark);
    caption.append(line("b", picture.name), line("span", picture.formula), line("span", picture.value, "value"));
    figure.append(stage, caption);
    stage.onclick = (e) => {
      const box = img.getBoundingClientRect();
      const within = (v, n) => Math.min(Math.max(Math.floor(v * n), 0), n - 1);
      const row = within((e.clientY - box.top) / box.height, height);
      const column = within((e.clientX - box.left) / box.width, width);
      place(row, column);
      setTriggerValue("pixel", { row, column });
    };
    return figure;
  };
  const pictures = parentElement.querySelector(".pictures");
  pictures.style.setProperty("--wide", `${data.wide}px`);
  pictures.setAttribute("aria-label", data.label);
  pictures.replaceChildren(...data.pictures.map(figure));
  place(...data.pixel);
}
