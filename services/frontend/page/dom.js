// Making and changing elements; texts are always set as texts, so no name can become markup.

export const byId = (id) => document.getElementById(id);

/** An element. `attributes` whose value is false, null or undefined are left out. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Touches the page only where something changed. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A grey bar where something is still being loaded; `wide` is its width in percent. */
export function skeleton(wide) {
  const bar = make("span", { class: "skeleton", "aria-hidden": "true" });
  bar.style.width = `${wide}%`;
  return bar;
}

/** What to show in place of a part that could not be loaded. */
export function failure(text, again) {
  return make(
    "div",
    { class: "failure" },
    make("p", {}, text),
    make("button", { class: "button", type: "button", onclick: again }, "Try again"),
  );
}

/** Lights up what just changed, once. */
export function flash(element) {
  element.classList.remove("changed");
  void element.offsetWidth; // so that a second change in a row is seen too
  element.classList.add("changed");
}

/** A function that runs `call` in an animation frame, at most once in `gap` ms however often it
 * is called, and once more after the last time. */
export function batched(call, gap) {
  let waiting = false;
  let last = -Infinity;
  const run = () => {
    waiting = false;
    last = performance.now();
    call();
  };
  return () => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => requestAnimationFrame(run), Math.max(0, last + gap - performance.now()));
  };
}
