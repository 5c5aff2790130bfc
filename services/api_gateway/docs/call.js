// Sending what is in the form, and telling what came back.

import { make, pretty } from "./dom.js";

const TELLING = /^(content-type|etag|ratelimit.*|retry-after|x-request-id|x-trace-id|allow)$/;

let token = ""; // in memory only

export function useToken(text) {
  token = text.trim();
}

export const hasToken = () => token !== "";

/** A token for the demo shop; raises Error with a text for people where there is none. */
export async function demoToken() {
  const answer = await fetch("/v1/api/auth/demo", { method: "POST" });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.detail ?? "There is no demo shop here.");
  return body.token;
}

/** The request that a form describes: `values` by parameter, `body` as text. */
export function request(method, path, parameters, values, body) {
  const headers = {};
  const query = new URLSearchParams();
  let address = path;
  for (const { name, in: place } of parameters) {
    const value = values[name] ?? "";
    if (place === "path") address = address.replace(`{${name}}`, value.split("/").map(encodeURIComponent).join("/"));
    else if (value === "") continue;
    else if (place === "header") headers[name] = value;
    else query.append(name, value);
  }
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== null) headers["Content-Type"] = "application/json";
  const asked = query.toString();
  return { method, address: asked ? `${address}?${asked}` : address, headers, body };
}

/** The same for a terminal; the token stays out of it. */
export function asCurl({ method, address, headers, body }) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const lines = [`curl -X ${method} ${quoted(location.origin + address)}`];
  for (const [name, value] of Object.entries(headers)) {
    lines.push(name === "Authorization" ? '-H "Authorization: Bearer $token"' : `-H ${quoted(`${name}: ${value}`)}`);
  }
  if (body !== null) lines.push(`-d ${quoted(body)}`);
  return lines.join(" \\\n  ");
}

/** Sends it; an element that shows the answer, or why there was none. */
export async function send({ method, address, headers, body }) {
  const started = performance.now();
  let answer;
  try {
    answer = await fetch(address, { method, headers, body, redirect: "manual" });
  } catch {
    return make("p", { class: "failure" }, "There was no answer: the gateway cannot be reached.");
  }
  const text = await answer.text();
  const took = Math.round(performance.now() - started);
  const told = [...answer.headers].filter(([name]) => TELLING.test(name));
  return make(
    "div",
    {},
    make(
      "p",
      {},
      make("span", { class: "status", "data-bad": !answer.ok }, `${answer.status} ${answer.statusText}`),
      make("span", { class: "note" }, ` after ${took} ms`),
    ),
    make("pre", { tabindex: 0, "aria-label": "Headers of the answer" }, told.map((each) => each.join(": ")).join("\n")),
    make("pre", { tabindex: 0, "aria-label": "The answer" }, readable(text, answer.headers.get("content-type") ?? "")),
  );
}

function readable(text, type) {
  if (!type.includes("json")) return text.slice(0, 20_000) || "(nothing)";
  try {
    return pretty(JSON.parse(text));
  } catch {
    return text;
  }
}
