// Making elements; texts are always set as texts, so nothing in a document can become markup.

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

/** A text in which what stands between backquotes, single or double, is code. */
export function words(text) {
  return text.split(/(``[^`]+``|`[^`]+`)/).map((part) => (part.startsWith("`") ? make("code", {}, part.replaceAll("`", "")) : part));
}

export const pretty = (value) => JSON.stringify(value, null, 2);
