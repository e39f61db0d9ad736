// One form a kind of feedback. Each gives: show(item), read(), write(answer), fault(), key(event),
// said(answer, letters), and says whether it is mainly text. Answers speak of the item's own order;
// the screen shows place k as response order[k].

import {showDiff} from "./diff.js";
import {ranking} from "./ranking.js";
import {ratings, steps} from "./groups.js";
import {conversation} from "./conversation.js";

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
export const letter = (place) => String.fromCharCode(65 + place);
const checked = (name) => $(`[name="${name}"]:checked`)?.value ?? null;
const check = (name, value) => { for (const input of $$(`[name="${name}"]`)) input.checked = input.value === value; };
const named = (word) => word.replaceAll("_", " ");

function pick(digit) {
  const input = $(`#scale [data-digit="${digit}"]`);
  if (!input) return false;
  input.checked = true;
  input.focus({preventScroll: true});
  input.dispatchEvent(new Event("change", {bubbles: true}));
  return true;
}

function comparison(question) {
  const bad = $('[name="both_bad"]');
  let order = [0, 1];
  const mark = () => {
    const value = checked("choice"), input = $('[name="choice"]:checked');
    $("#chosen").textContent = input?.dataset.name ?? "\u00a0";
    $$("#responses .card").forEach((card, place) =>
      card.classList.toggle("better", value !== null && value !== "tie" && Number(value[0]) === place));
  };
  $("#scale").addEventListener("change", mark);
  return {
    show(item) { order = item.order; mark(); },
    read() {
      const value = checked("choice"), both_bad = bad?.checked ?? false;
      if (value === null || value === "tie") return {choice: value, strength: null, both_bad};
      const [place, strength] = value.split("-").map(Number);
      return {choice: order[place] === 0 ? "a" : "b", strength: strength || null, both_bad};
    },
    write(answer) {
      const choice = answer.choice ?? null;
      const place = order.indexOf(choice === "a" ? 0 : 1);
      check("choice", choice === null || choice === "tie" ? choice : `${place}-${answer.strength ?? 0}`);
      if (bad) bad.checked = Boolean(answer.both_bad);
      mark();
    },
    fault: () => checked("choice") === null && !bad?.checked ? "Choose first: a key from 1 on, or the buttons." : "",
    key: (event) => pick(event.key),
    toggleBad() { if (bad) { bad.checked = !bad.checked; bad.dispatchEvent(new Event("input", {bubbles: true})); } },
    said(answer, letters) {
      const parts = [];
      if (answer.choice === "tie") parts.push("equally good");
      else if (answer.choice) {
        const strength = answer.strength ? ` (${answer.strength} of ${question.scale === "4-grade" ? 4 : 3})` : "";
        parts.push(`${letters[answer.choice === "a" ? 0 : 1]} is better${strength}`);
      }
      if (answer.both_bad) parts.push("both bad");
      return parts.join(", ");
    },
    keys: "Digits choose, from the left.",
  };
}

function thumbs() {
  return {
    show() {},
    read: () => ({thumb: checked("thumb")}),
    write: (answer) => check("thumb", answer.thumb ?? null),
    fault: () => checked("thumb") ? "" : "Say good (1) or bad (2).",
    key: (event) => pick(event.key),
    said: (answer) => ({up: "good", down: "bad"})[answer.thumb] ?? "",
    keys: "1 is good, 2 is bad.",
  };
}

const words = (text) => text.trim() ? text.trim().split(/\s+/).length : 0;

function writing(question, rewriting) {
  const text = $("#text"), counted = $("#counted"), changes = $("#changes");
  let pasted = 0, before = "", timer = 0;
  const count = () => {
    const n = words(text.value);
    counted.textContent = `${n} ${n === 1 ? "word" : "words"}${pasted ? `, pasted ${pasted}×` : ""}`;
    if (!rewriting) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (text.value === before) changes.textContent = "Nothing yet. Submitting it as it is says that nothing needed mending.";
      else showDiff(changes, before, text.value);
    }, 120);
  };
  text.addEventListener("input", count);
  text.addEventListener("paste", () => { pasted += 1; });
  $("#restore")?.addEventListener("click", () => {
    text.value = before;
    text.dispatchEvent(new Event("input", {bubbles: true}));
  });
  return {
    textual: true,
    focus: () => text.focus({preventScroll: true}),
    show(item) {
      before = rewriting ? item.responses[0].source : "";
      text.value = before;
      pasted = 0;
      count();
    },
    read: () => ({text: text.value || null, pasted}),
    write(answer) { text.value = answer.text ?? before; pasted = answer.pasted ?? 0; count(); },
    fault() {
      const n = words(text.value);
      if (n < question.min_words) return `${n} words so far; at least ${question.min_words} are needed.`;
      return n > question.max_words ? `${n} words; at most ${question.max_words}.` : "";
    },
    empty: () => text.value === before,
    key: () => false,
    said: (answer) => (answer.text ?? "").slice(0, 80),
    keys: "Ctrl+Enter submits while you write.",
  };
}

function rule() {
  const rules = $$(".rule");
  const value = (one) => $("input:checked", one)?.value ?? null;
  const focused = () => rules.find((one) => one.contains(document.activeElement)) ?? rules.find((one) => !value(one)) ?? rules[0];
  return {
    show() {},
    read: () => ({rules: Object.fromEntries(rules.map((one) => [one.dataset.rule, value(one)]))}),
    write(answer) {
      for (const one of rules) {
        for (const input of $$("input", one)) input.checked = input.value === answer.rules?.[one.dataset.rule];
      }
    },
    fault() {
      const open = rules.find((one) => !value(one));
      return open ? `Still open: ${$("legend", open).textContent}` : "";
    },
    key(event) {
      const one = focused(), input = $(`[data-digit="${event.key}"]`, one);
      if (!input) return false;
      input.checked = true;
      input.dispatchEvent(new Event("change", {bubbles: true}));
      const next = rules[rules.indexOf(one) + 1];
      $("input:checked, input", next ?? one)?.focus();
      return true;
    },
    said: (answer) => Object.entries(answer.rules ?? {}).map(([name, word]) => `${named(name)}: ${word}`).join(", "),
    keys: "1 kept, 2 broken, 3 unsure, rule by rule.",
  };
}

function flags(question) {
  const rows = $$(".fault-row"), nothing = $('[name="nothing"]');
  const box = (row) => $('[name="fault"]', row), why = (row) => $('[name="why"]', row);
  const sync = () => { for (const row of rows) $(".why", row).hidden = !box(row).checked; };
  const toggled = (event) => {
    if (event.target === nothing && nothing.checked) for (const row of rows) box(row).checked = false;
    if (event.target.name === "fault" && event.target.checked) nothing.checked = false;
    sync();
  };
  $(".faults").addEventListener("change", toggled);
  return {
    show() { sync(); },
    read() {
      const found = rows.filter((row) => box(row).checked)
        .map((row) => ({fault: row.dataset.fault, reason: why(row).value.trim() || null}));
      return {found: found.length || nothing.checked ? found : null};
    },
    write(answer) {
      nothing.checked = answer.found?.length === 0;
      for (const row of rows) {
        const flag = answer.found?.find((one) => one.fault === row.dataset.fault);
        box(row).checked = Boolean(flag);
        why(row).value = flag?.reason ?? "";
      }
      sync();
    },
    fault() {
      const on = rows.filter((row) => box(row).checked);
      if (!on.length && !nothing.checked) return "Choose what is wrong, or 0 for nothing.";
      const bare = question.reason_required && on.find((row) => !why(row).value.trim());
      if (bare) { why(bare).focus(); return `Say where and why it is ${named(bare.dataset.fault)}.`; }
      return "";
    },
    key(event) {
      const input = $(`.faults [data-digit="${event.key}"]`);
      if (!input) return false;
      input.checked = !input.checked;
      input.dispatchEvent(new Event("change", {bubbles: true}));
      const row = input.closest(".fault-row");
      if (row && input.checked) why(row).focus();
      else input.focus();
      return true;
    },
    said: (answer) => answer.found?.map((one) => named(one.fault)).join(", ") || "nothing wrong",
    keys: "Digits set a flag, 0 says nothing is wrong.",
  };
}

/** The form of a kind, with what every kind asks besides. */
export function formFor(kind, question) {
  const made = {
    comparison, thumbs, ranking, ratings, steps, rule, flags,
    conversation: (asked) => conversation(asked, rule),
    demonstration: (asked) => writing(asked, false),
    rewrite: (asked) => writing(asked, true),
  }[kind](question);
  const extras = {
    reasons: () => $$('[name="reasons"]:checked').map((input) => input.value),
    flags: () => $$('[name="flags"]:checked').map((input) => input.value),
    note: () => $('[name="note"]')?.value.trim() || null,
  };
  return {
    ...made,
    clear(item) {
      $("#form").reset();
      for (const input of $$('#bar input')) input.checked = false;
      made.show(item);
    },
    read() {
      const beside = {reasons: extras.reasons(), flags: extras.flags(), confidence: checked("confidence"), note: extras.note()};
      return {...made.read(), ...beside};
    },
    /** The answer "it cannot be judged": nothing of the kind's own beside it. */
    readCannot: (why) => ({cannot_judge: why, flags: extras.flags(), note: extras.note()}),
    write(answer) {
      made.write(answer);
      for (const name of ["reasons", "flags"]) {
        for (const input of $$(`[name="${name}"]`)) input.checked = (answer[name] ?? []).includes(input.value);
      }
      check("confidence", answer.confidence ?? null);
      const note = $('[name="note"]');
      if (note) note.value = answer.note ?? "";
    },
    said(answer, letters) {
      return answer.cannot_judge ? `cannot judge: ${answer.cannot_judge}` : made.said(answer, letters);
    },
  };
}
