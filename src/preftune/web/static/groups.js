// Kinds whose answer is a list of small choices: ratings on axes, marks on steps.

import {fill} from "./cleaned.js";

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const named = (word) => word.replaceAll("_", " ");
const valueOf = (group) => $("input:checked", group)?.value ?? null;

function set(group, value) {
  for (const input of $$("input", group)) input.checked = value !== null && input.value === String(value);
  const clear = $("[data-clear]", group);
  if (clear) clear.hidden = valueOf(group) === null;
  group.dispatchEvent(new Event("input", {bubbles: true}));
}

/** Moves the focus between groups with the arrows up and down; whether it did. */
function moved(groups, group, key) {
  const by = {ArrowUp: -1, ArrowDown: 1}[key];
  const next = by && groups[groups.indexOf(group) + by];
  if (!next) return Boolean(by);
  focus(next);
  return true;
}

function focus(group) {
  const input = $("input:checked", group) ?? $("input", group);
  input.focus();
  group.scrollIntoView({block: "nearest"});
}

export function ratings() {
  let order = [0];
  const axes = () => $$("#responses .axis");
  const current = () => axes().find((one) => one.contains(document.activeElement));
  const point = (axis, key) => {
    const digit = Number(key), low = Number(axis.dataset.low), high = Number(axis.dataset.high);
    if (digit >= low && digit <= high) return digit;
    return digit === 0 && high === 10 ? 10 : null;
  };
  return {
    show(item) {
      order = item.order;
      $$("#responses .card").forEach((card, place) => {
        for (const axis of $$(".axis", card)) {
          for (const input of $$("input", axis)) input.name = `axis-${place}-${axis.dataset.axis}`;
          $("[data-clear]", axis).addEventListener("click", () => set(axis, null));
          axis.addEventListener("change", () => { $("[data-clear]", axis).hidden = false; });
        }
      });
    },
    focus: () => { const first = axes()[0]; if (first) $("input", first).focus({preventScroll: true}); },
    read() {
      const given = [];
      $$("#responses .card").forEach((card, place) => {
        given[order[place]] = Object.fromEntries($$(".axis", card).map((axis) =>
          [axis.dataset.axis, valueOf(axis) === null ? null : Number(valueOf(axis))]));
      });
      return {ratings: given};
    },
    write(answer) {
      $$("#responses .card").forEach((card, place) => {
        for (const axis of $$(".axis", card)) set(axis, answer.ratings?.[order[place]]?.[axis.dataset.axis] ?? null);
      });
    },
    fault() {
      const open = axes().find((axis) => axis.dataset.required && valueOf(axis) === null);
      if (!open) return "";
      focus(open);
      return `Still open: ${named(open.dataset.axis)}.`;
    },
    key(event) {
      const axis = current() ?? axes().find((one) => valueOf(one) === null) ?? axes()[0];
      if (event.key === "Backspace" || event.key === "Delete") { set(axis, null); return true; }
      if (event.key.startsWith("Arrow")) return current() ? moved(axes(), axis, event.key) : false;
      const value = /^\d$/.test(event.key) ? point(axis, event.key) : null;
      if (value === null) return false;
      set(axis, value);
      focus(axes()[axes().indexOf(axis) + 1] ?? axis);
      return true;
    },
    said: (answer, letters) => (answer.ratings ?? []).map((given, index) => {
      const parts = Object.entries(given).filter(([, value]) => value !== null).map(([name, value]) => `${named(name)} ${value}`);
      return answer.ratings.length > 1 ? `${letters[index]}: ${parts.join(", ")}` : parts.join(", ");
    }).join("; "),
    keys: "Digits rate the focused axis and go on to the next; arrows up and down move; Backspace takes a rating back.",
  };
}

export function steps(question) {
  const list = $("#steps");
  const all = () => $$(".step", list);
  const current = () => all().find((one) => one.contains(document.activeElement))
    ?? all().find((one) => valueOf(one) === null) ?? all()[0];
  return {
    show(item) {
      list.replaceChildren(...item.steps.map((step, place) => {
        const made = $("#step").content.cloneNode(true);
        $("legend", made).textContent = `Step ${place + 1}`;
        const rendered = $(".rendered", made), raw = $(".raw", made);
        if (step.html === null) { rendered.remove(); raw.classList.add("only"); } else fill(rendered, step.html);
        raw.textContent = step.text;
        for (const input of $$("input", made)) input.name = `step-${place}`;
        return made;
      }));
    },
    focus: () => { const first = all()[0]; if (first) $("input", first).focus({preventScroll: true}); },
    read() {
      const marks = all().map(valueOf);
      return {marks: marks.some((mark) => mark !== null) ? marks : null};
    },
    write(answer) { all().forEach((one, place) => set(one, answer.marks?.[place] ?? null)); },
    fault: () => all().some((one) => valueOf(one) !== null) ? "" : "Mark at least one step.",
    key(event) {
      const one = current();
      if (event.key === "Backspace" || event.key === "Delete") { set(one, null); return true; }
      if (event.key === "ArrowUp" || event.key === "ArrowDown") return moved(all(), one, event.key);
      const input = $(`[data-digit="${event.key}"]`, one);
      if (!input) return false;
      set(one, input.value);
      focus(all()[all().indexOf(one) + 1] ?? one);
      return true;
    },
    said: (answer) => (answer.marks ?? []).map((mark, place) => mark && `${place + 1} ${mark}`).filter(Boolean).join(", "),
    keys: `1 right${question.unclear ? ", 2 unclear" : ""}, 3 wrong, step by step; arrows up and down move.`,
  };
}
