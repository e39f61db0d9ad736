// What is on the screen: an item's texts, the difference of two, how they scroll, and dialogs.

import {fill} from "./cleaned.js";
import {showDiff} from "./diff.js";
import {$, $$, letter} from "./forms.js";

function fillText(root, view) {
  const rendered = $(".rendered", root), raw = $(".raw", root);
  raw.textContent = view.text;
  if (view.html === null) { rendered.remove(); raw.classList.add("only"); } else fill(rendered, view.html);
}

function turn(view, asked) {
  const made = $("#turn").content.cloneNode(true), article = $(".turn", made);
  $(".role", made).textContent = {user: "User", assistant: "Assistant", system: "System", task: "What you are to do"}[view.role] ?? view.role;
  article.classList.toggle("asked", asked);
  fillText(made, view);
  return made;
}

/** Shows an item: earlier turns folded away, the last user's turn always in view. */
export function showItem(item) {
  const last = item.context.findLastIndex((one) => one.role === "user");
  const split = Math.max(0, last);
  const earlier = item.context.slice(0, split), later = item.context.slice(split);
  const fold = $("#earlier-turns");
  fold.hidden = !earlier.length;
  $("summary", fold).textContent = `${earlier.length} earlier ${earlier.length === 1 ? "turn" : "turns"}`;
  $(".turns", fold).replaceChildren(...earlier.map((one) => turn(one, false)));
  $("#last-turns").replaceChildren(...later.map((one, place) => turn(one, place === 0)));
  const cards = item.steps || item.talk ? [] : item.responses;
  const area = $("#responses");
  area.hidden = !cards.length;
  area.classList.toggle("many", cards.length > 1);
  area.classList.toggle("grid", cards.length > 2);
  area.classList.toggle("three", cards.length === 3 || cards.length > 4);
  area.replaceChildren(...cards.map((view, place) => {
    const made = $("#card").content.cloneNode(true);
    $("h3", made).textContent = cards.length > 1 ? `Response ${letter(place)}` : "Response";
    fillText(made, view);
    return made;
  }));
}

/** Marks what only this response says, against the first one (the first against the second). */
export function markDifferences(item, on) {
  const cards = $$("#responses .card"), texts = item.responses.map((one) => one.text);
  $("#main").classList.toggle("as-written", on || $("#main").dataset.written === "1");
  cards.forEach((card, place) => {
    const raw = $(".raw", card);
    if (!on || texts.length < 2) { raw.textContent = texts[place]; return; }
    if (place === 0) showDiff(raw, texts[0], texts[1], "new");
    else showDiff(raw, texts[0], texts[place], "gone");
  });
}

const LAYOUTS = {page: "with the page", linked: "linked", apart: "apart"};

/** Scrolling: with the page; in each card, linked; in each card, apart. */
export class Layout {
  constructor(start) {
    this.name = start in LAYOUTS ? start : "page";
    this.leader = null;
    document.addEventListener("scroll", (event) => this.follow(event.target), {capture: true, passive: true});
    this.apply();
  }

  next() {
    const names = Object.keys(LAYOUTS);
    this.name = names[(names.indexOf(this.name) + 1) % names.length];
    this.apply();
    return this.name;
  }

  apply() {
    $("#responses").classList.toggle("scrolled", this.name !== "page");
    $("#layout-name").textContent = LAYOUTS[this.name];
    for (const text of $$(".card-text")) {
      if (this.name === "page") text.removeAttribute("tabindex");
      else text.tabIndex = 0;
    }
  }

  follow(node) {
    if (this.name !== "linked" || !node.classList?.contains("card-text")) return;
    if (this.leader && this.leader !== node) return;
    this.leader = node;
    const share = node.scrollTop / Math.max(1, node.scrollHeight - node.clientHeight);
    for (const other of $$(".card-text")) {
      if (other !== node) other.scrollTop = share * (other.scrollHeight - other.clientHeight);
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { this.leader = null; }, 80);
  }
}

/** Opens a dialog; the promise ends with its value when it closes. */
export function ask(id) {
  const dialog = $(`#${id}`);
  return new Promise((resolve) => {
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue), {once: true});
    dialog.showModal();
  });
}

/** A reason from a list or in own words; "" when it was cancelled. */
export async function askReason(id) {
  const dialog = $(`#${id}`), other = $('[name="other"]', dialog);
  other.value = "";
  const buttons = $$("[data-reason]", dialog);
  const close = (value) => dialog.close(value);
  const own = () => { if (other.value.trim()) close(other.value.trim()); else other.focus(); };
  const key = (event) => {
    if (event.target === other) {
      if (event.key === "Enter") { event.preventDefault(); own(); }
      return;
    }
    const button = buttons[Number(event.key) - 1];
    if (button) { event.preventDefault(); close(button.value); }
  };
  const click = (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.reason) close(button.value);
    else if (button && "other" in button.dataset) own();
    else if (button && "cancel" in button.dataset) close("");
  };
  dialog.addEventListener("keydown", key);
  dialog.addEventListener("click", click);
  const given = await ask(id);
  dialog.removeEventListener("keydown", key);
  dialog.removeEventListener("click", click);
  return given === "cancel" ? "" : given;
}

/** Opens or closes a drawer; whether it is open now. */
export function drawer(id, open = $(`#${id}`).hidden) {
  const node = $(`#${id}`);
  for (const other of $$(".drawer")) if (other !== node && open) other.hidden = true;
  node.hidden = !open;
  document.body.classList.toggle("with-drawer", $$(".drawer").some((one) => !one.hidden));
  for (const button of $$("[aria-controls]")) {
    button.setAttribute("aria-expanded", String(!$(`#${button.getAttribute("aria-controls")}`).hidden));
  }
  if (open) $("button", node).focus();
  return open;
}

/** Room under the page for the bar, however high it is. */
export function fitBar() {
  const bar = $("#bar");
  new ResizeObserver(() => {
    document.documentElement.style.setProperty("--bar-height", `${bar.offsetHeight}px`);
  }).observe(bar);
}
