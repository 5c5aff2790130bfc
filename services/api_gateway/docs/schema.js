// JSON Schema as a list of fields that people can read.

import { make, words } from "./dom.js";

let known = {};

/** The document that references lead into. */
export function readIn(document) {
  known = document;
}

export function resolve(node) {
  if (!node || !node.$ref) return node;
  return node.$ref
    .slice(2)
    .split("/")
    .reduce((at, part) => at[part.replaceAll("~1", "/").replaceAll("~0", "~")], known);
}

/** What a value is, in short: `integer`, `text (uuid)`, `list of points.Balance`. */
export function kindOf(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(kindOf).join(" or ");
  if (schema.allOf) return schema.allOf.map(kindOf).join(" and ");
  if (schema.enum) return schema.enum.map((each) => JSON.stringify(each)).join(", ");
  if (schema.type === "array") return schema.items ? `list of ${kindOf(schema.items)}` : "list";
  if (schema.type === "string") return schema.format ? `text (${schema.format})` : "text";
  return schema.type ?? "anything";
}

/** The fields of an object, with those of the objects in it; null for what has none. */
export function fieldsOf(schema, inside = new Set()) {
  const whole = resolve(schema);
  const properties = Object.entries(whole.properties ?? {});
  if (!properties.length) return null;
  const needed = new Set(whole.required ?? []);
  return make("ul", { class: "schema" }, ...properties.map(([name, each]) => field(name, each, needed.has(name), inside)));
}

function field(name, schema, needed, inside) {
  const about = schema.description ?? resolve(schema).description;
  const item = make(
    "li",
    {},
    make("code", {}, name),
    " ",
    make("span", { class: "note" }, kindOf(schema)),
    needed ? null : make("span", { class: "note" }, ", may be left out"),
    about ? make("span", { class: "about" }, ...words(about)) : null,
  );
  for (const part of parts(schema)) {
    if (inside.has(part.$ref)) continue;
    const deeper = fieldsOf(part, new Set([...inside, part.$ref]));
    if (deeper) item.append(deeper);
  }
  return item;
}

/** The objects that a field may hold. */
function parts(schema) {
  if (schema.$ref) return [schema];
  if (schema.anyOf) return schema.anyOf.flatMap(parts);
  if (schema.items) return parts(schema.items);
  if (typeof schema.additionalProperties === "object") return parts(schema.additionalProperties);
  return [];
}
