// A canvas over a picture that the server drew: it shows what the browser computes, at the same size and in the same place.
// The picture stays below for readers of alt texts, for saving, and for a browser that is not asked to compute anything.

/** The canvas over an <img> of st.image, width x height pixels. Made once. passing: it goes when the server sends another picture. */
export function over(img, width, height, passing = false) {
  const box = img.parentElement;
  let canvas = box.querySelector(":scope > canvas");
  if (!canvas) {
    canvas = document.createElement("canvas");
    canvas.setAttribute("aria-hidden", "true");
    img.after(canvas);
    if (passing) until_new(img, canvas);
  }
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  canvas.style.width = img.style.width;
  return canvas;
}

/** Take the canvas away as soon as the server sends another picture. */
function until_new(img, canvas) {
  const watcher = new MutationObserver(() => {
    canvas.remove();
    watcher.disconnect();
  });
  watcher.observe(img, { attributes: true, attributeFilter: ["src"] });
}

/** Take the canvas away: the server's picture is to be seen. */
export function uncover(img) {
  img.parentElement?.querySelector(":scope > canvas")?.remove();
}

/** The pictures of a row, by the row's key. */
export function pictures_of(row) {
  return [...document.querySelectorAll(`.st-key-${CSS.escape(row)} [data-testid="stImageContainer"] > img`)];
}
