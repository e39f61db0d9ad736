// A conversation with one policy, or with two whose replies are compared turn by turn. Replies
// stand in the item's own order; the screen shows place k as reply order[k].

import {fill} from "./cleaned.js";

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const letter = (place) => String.fromCharCode(65 + place);
const WORDS = {"2-way": ["better"], "4-grade": ["negligibly better", "slightly better", "better", "significantly better"],
  "7-point": ["slightly better", "better", "significantly better"]};

export function conversation(question, ruleForm) {
  const said = $("#talk-said"), send = $("#talk-send"), list = $("#talk-turns");
  const rules = question.rules.length ? ruleForm(question) : null;
  const words = WORDS[question.scale];
  let order = [0], turns = [], speak = null, waiting = false, open = true;

  const policies = () => order.length;
  const choiceOf = (turn) => turn.choice ?? (policies() === 1 ? "only" : null);
  const changed = () => $("#form").dispatchEvent(new Event("input", {bubbles: true}));

  function textInto(root, view) {
    const rendered = $(".rendered", root), raw = $(".raw", root);
    const html = view.html ?? null;
    rendered.hidden = html === null;
    raw.hidden = html !== null;
    if (html !== null) fill(rendered, html);
    raw.textContent = view.text;
  }

  /** The choices of a turn from A's side to B's: [value, name]. */
  function choices() {
    const steps = words.map((_, at) => at + 1);
    const one = (place, strength) => [`${place}-${question.scale === "2-way" ? 0 : strength}`, `${letter(place)} is ${words[strength - 1]}`];
    return [...steps.reverse().map((strength) => one(0, strength)), ...(question.ties ? [["tie", "Equally good"]] : []),
      ...words.map((_, at) => one(1, at + 1))];
  }

  function valueOf(turn) {
    if (turn.choice === "tie" || !turn.choice) return turn.choice;
    return `${order.indexOf(turn.choice === "a" ? 0 : 1)}-${turn.strength ?? 0}`;
  }

  function choose(turn, value) {
    if (value === "tie") { Object.assign(turn, {choice: "tie", strength: null, kept: order[0]}); return; }
    const [place, strength] = value.split("-").map(Number);
    Object.assign(turn, {choice: order[place] === 0 ? "a" : "b", strength: strength || null, kept: order[place]});
  }

  function shown(turn, number) {
    const made = $("#talk-turn").content.cloneNode(true), root = $(".talk-turn", made);
    const last = number === turns.length - 1;
    textInto($(".turn", root), turn.views?.said ?? {text: turn.said});
    $(".talk-replies", root).replaceChildren(...order.map((index, place) => {
      const card = $("#talk-reply").content.cloneNode(true);
      $("h3", card).textContent = policies() > 1 ? `Reply ${letter(place)}` : "Reply";
      textInto(card, turn.views?.replies[index] ?? {text: turn.replies[index]});
      $(".card", card).classList.toggle("better", policies() > 1 && turn.choice && turn.choice !== "tie" && turn.kept === index);
      return card;
    }));
    const marks = $(".talk-marks", root);
    marks.hidden = policies() === 1;
    if (policies() > 1) {
      marks.append(...choices().map(([value, name], at) => {
        const label = document.createElement("label"), input = document.createElement("input"), text = document.createElement("span");
        const key = document.createElement("kbd");
        label.className = "chip";
        input.type = "radio";
        input.name = `talk-${number}`;
        input.value = value;
        input.dataset.digit = at + 1;
        input.checked = valueOf(turn) === value;
        input.disabled = !last; // the conversation has gone on with it
        key.textContent = at + 1;
        text.append(`${name} `, key);
        input.addEventListener("change", () => { choose(turn, value); draw(); changed(); });
        label.append(input, text);
        return label;
      }));
    }
    return made;
  }

  function draw() {
    const at = document.activeElement?.value, name = document.activeElement?.name;
    list.replaceChildren(...turns.map(shown));
    if (name?.startsWith("talk-")) $(`[name="${name}"][value="${at}"]`)?.focus({preventScroll: true});
    const full = turns.length >= question.most_turns, unsaid = turns.some((turn) => !choiceOf(turn));
    said.disabled = waiting || full || !open;
    send.disabled = waiting || full || !open || unsaid;
    $("#talk-count").textContent = waiting ? "The replies are being written…"
      : full ? "That was the last message." : `${turns.length} of at most ${question.most_turns} messages`;
  }

  async function message() {
    const text = said.value.trim();
    if (!text || send.disabled || !speak) return;
    waiting = true;
    draw();
    const mine = turns;
    const got = await speak(turns.map(plain), text);
    waiting = false;
    if (turns !== mine) return; // another item is on the screen
    if (got) {
      said.value = "";
      turns.push({said: text, replies: got.replies.map((one) => one.source), seal: got.seal, choice: null, strength: null,
        kept: policies() === 1 ? 0 : order[0], views: {said: got.said, replies: got.replies}});
      changed();
    }
    draw();
    if (got && policies() > 1) $(".talk-turn:last-child input")?.focus();
    else said.focus();
  }

  const plain = ({said: text, replies, seal, choice, strength, kept}) => ({said: text, replies, seal, choice, strength, kept});

  send.addEventListener("click", message);
  said.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); event.stopPropagation(); if (!event.repeat) message(); }
  });
  said.addEventListener("input", (event) => event.stopPropagation());

  return {
    focus: () => said.focus({preventScroll: true}),
    attach(talk) { speak = talk; },
    show(item) { order = item.order; turns = []; waiting = false; open = true; said.value = ""; rules?.show(item); draw(); },
    read: () => ({turns: turns.map(plain), ...(rules ? rules.read() : {})}),
    write(answer) {
      turns = (answer.turns ?? []).map((turn) => ({...turn}));
      rules?.write(answer);
      draw();
    },
    fault() {
      if (waiting) return "The replies are being written.";
      if (turns.length < question.least_turns) return `${turns.length} messages so far; at least ${question.least_turns} are asked for.`;
      if (turns.some((turn) => !choiceOf(turn))) return "Say of the last replies which is better.";
      return rules?.fault() ?? "";
    },
    key(event) {
      const input = $(`.talk-turn:last-child input[data-digit="${event.key}"]`);
      if (input && !input.disabled) { input.checked = true; input.dispatchEvent(new Event("change", {bubbles: true})); return true; }
      return rules?.key(event) ?? false;
    },
    said: (answer) => {
      const count = answer.turns?.length ?? 0;
      return [`${count} ${count === 1 ? "turn" : "turns"}`, rules?.said(answer)].filter(Boolean).join(", ");
    },
    keys: "Ctrl+Enter sends your message; digits choose the better reply, from the left.",
  };
}
