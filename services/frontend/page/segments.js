// The segment chart: a bar for each segment, which is also the button that filters the members.

import { byId, make, setText } from "./dom.js";
import { number, percent } from "./format.js";
import { SEGMENTS, segment } from "./words.js";

export class Segments {
  /** `onChoose(id)` with "" when the chosen segment is chosen again. */
  constructor(onChoose) {
    this.list = byId("segments");
    this.chosen = "";
    this.onChoose = onChoose;
    this.bars = new Map();
    for (const each of SEGMENTS) this.bar(each);
  }

  show({ segments, members }) {
    const most = Math.max(1, ...segments.map((each) => each.members));
    for (const { segment: id, members: count } of segments) {
      const known = segment(id);
      if (!known) continue;
      const bar = this.bars.get(id) ?? this.bar(known);
      setText(bar.count, number(count));
      setText(bar.share, members ? percent(count / members) : "0%");
      bar.fill.style.width = `${(100 * count) / most}%`;
      bar.button.toggleAttribute("data-empty", count === 0);
    }
  }

  choose(id) {
    this.chosen = id;
    for (const [each, { button }] of this.bars) button.setAttribute("aria-pressed", each === id);
  }

  bar({ id, name, mood, meaning }) {
    const count = make("span", { class: "segment-count" }, "–");
    const share = make("span", { class: "segment-share" });
    const fill = make("span", { class: "segment-fill" });
    const button = make(
      "button",
      {
        type: "button",
        class: "segment",
        "data-segment": id,
        "data-mood": mood,
        "aria-pressed": "false",
        onclick: () => this.onChoose(this.chosen === id ? "" : id),
      },
      make("span", { class: "segment-name" }, name),
      make("span", { class: "segment-numbers" }, count, " ", share),
      make("span", { class: "segment-track", "aria-hidden": "true" }, fill),
      make("span", { class: "segment-meaning" }, meaning),
    );
    this.list.append(make("li", {}, button));
    const made = { button, count, share, fill };
    this.bars.set(id, made);
    return made;
  }
}
