// The labelling screen: take an item, show it, keep what is entered, send it, show the next.

import {fill} from "./cleaned.js";
import {$, $$, formFor, letter} from "./forms.js";
import {Keys, ACTIONS} from "./keys.js";
import {looks, nextLook} from "./looks.js";
import {Outbox} from "./outbox.js";
import {Questions} from "./questions.js";
import {Review} from "./review.js";
import {Layout, ask, askReason, drawer, fitBar, markDifferences, showItem} from "./screen.js";
import {Clock, call, kept, uuid} from "./server.js";

const main = $("#main");
const {mode, project, kind, root, person, ui} = main.dataset;
const question = JSON.parse(main.dataset.question);
const form = formFor(kind, question);
const clock = new Clock();
const reasonKeys = $$("[data-letter]").map((input) => input.dataset.letter);
const keys = new Keys(reasonKeys);
const layout = new Layout(kept.read("layout"));
const api = (method, path, body, options) => call(root, method, path, body, options);
const here = `/projects/${encodeURIComponent(project)}`;

// now: the item on the screen. next: the one fetched ahead. parked: `now` while an earlier judgment
// is changed. lost: what became of the lease of `now`.
const state = {now: null, next: null, parked: null, lost: null, busy: false, showing: false, done: Number(main.dataset.done), differ: false};

const say = (text) => { $("#live").textContent = text; };
const fault = (text) => { $("#fault").textContent = text; };
const lettersOf = (order) => Object.fromEntries(order.map((index, place) => [index, letter(place)]));

// What waits to be sent ---------------------------------------------------------------------------

const outbox = new Outbox(`${root}:${person}`, (entry) => api("POST", entry.path, entry.body), {
  received(entry, receipt) {
    kept.remove(`draft:${entry.body.assignment_id}`);
    if (receipt.status === "surplus") showBanner("The item before had all its answers by then: yours is kept, and does not count.");
    if (!$("#history").hidden) showHistory();
  },
  refused(entry, error) { showProblem("An answer could not be stored", error, entry.body.answer); },
  loggedOut: loggedOut,
  changed: showSaved,
});

let saving = false, leaving = false;
function showSaved() {
  const waiting = outbox.waiting, offline = !navigator.onLine;
  const late = waiting > 1 || outbox.tries > 0 || (waiting > 0 && offline);
  const node = $("#saved");
  node.dataset.state = late ? "waiting" : waiting || saving ? "saving" : "saved";
  const sending = `${waiting} waiting to send`;
  $("#saved-text").textContent = late ? (offline ? `Offline, ${sending}` : sending)
    : offline ? "Offline" : waiting || saving ? "Saving" : "Saved";
}
addEventListener("online", showSaved);
addEventListener("offline", showSaved);
addEventListener("beforeunload", (event) => { if (outbox.waiting && outbox.tries) event.preventDefault(); });

let asking = null;
function loggedOut() {
  asking ??= ask("login-dialog").then(() => { asking = null; outbox.flush(); if (!state.now) load(); else saveDraft(); });
}

function showProblem(title, error, answer) {
  $("#problem-title").textContent = title;
  $("#problem-text").textContent = [error.sentence, error.remedy].filter(Boolean).join(" ");
  $("#problem-kept").value = answer?.text ?? JSON.stringify(answer ?? {}, null, 1);
  $("#problem-kept").hidden = !answer;
  if (!$("#problem-dialog").open) ask("problem-dialog");
}

// Items -------------------------------------------------------------------------------------------

async function take(purpose) {
  const answer = await api("POST", `${here}/next`, {purpose});
  if (answer.status === 401) loggedOut();
  return answer;
}

let loading = null, fetching = null; // one request each at a time
function load() {
  return loading ??= loadItem().finally(() => { loading = null; });
}

async function loadItem() {
  if (mode === "review") return review.load();
  const before = state.now;
  if (outbox.waiting) await Promise.race([outbox.flush(), new Promise((end) => setTimeout(end, 3000))]);
  await fetching;
  if (state.now !== before && !state.now.judgment) return; // the one fetched ahead is on the screen
  const answer = await take(mode === "training" ? "training" : "work");
  if (answer.status === 0 || answer.status >= 500) return showUnreachable();
  if (answer.status !== 200) {
    if (answer.status !== 401) showEmpty("Nothing to show", answer.body?.error?.sentence ?? "", false);
    return;
  }
  if (answer.body.nothing) return showNothing(answer.body.nothing);
  if (outbox.holds(answer.body.assignment.id)) return showUnreachable();
  if (state.now?.judgment) state.parked = {given: answer.body}; // an earlier answer was opened meanwhile
  else show(answer.body);
  if (state.next?.assignment.id === answer.body.assignment.id) state.next = null;
  prefetch();
}

const current = () => state.now?.judgment ? state.parked?.given : state.now;

function prefetch() {
  if (mode !== "work" || state.next || fetching || outbox.waiting) return;
  fetching = fetchAhead(current()?.assignment?.id).finally(() => { fetching = null; });
}

async function fetchAhead(shown) {
  const answer = await take("prefetch");
  const given = answer.status === 200 ? answer.body : null;
  if (!given?.assignment) return;
  const {id} = given.assignment;
  if (id === current()?.assignment?.id) current().assignment = given.assignment; // leased anew
  else if (id === shown) return; // there is no other, and it is answered by now
  else if (state.now) state.next = given;
  else show(given);
}

function show(given, answer = null) {
  main.hidden = false;
  $("#empty").hidden = true;
  $("#work").hidden = $("#bar").hidden = false;
  state.now = given;
  state.lost = null;
  state.showing = true;
  form.attach?.(talkTo(given));
  showItem(given.item);
  form.clear(given.item);
  const draft = answer ?? newestDraft(given);
  if (draft) form.write(draft);
  state.showing = false;
  layout.apply();
  if (state.differ) markDifferences(given.item, true);
  fault("");
  clock.restart();
  if (!given.judgment && !given.disputed) showBanner("");
  scrollTo(0, 0);
  if (form.focus && matchMedia("(pointer: fine)").matches) form.focus();
  else main.focus({preventScroll: true});
}

/** How a conversation's message reaches the policies: an answer of the API, its errors told. */
function talkTo(given) {
  return async (turns, said) => {
    const {id, lease_token} = given.assignment ?? {};
    if (!id) return null;
    const answer = await api("POST", `/assignments/${id}/say`, {lease_token, turns, said});
    if (answer.status === 200) { fault(""); return answer.body; }
    if (answer.status === 401) loggedOut();
    else if (answer.status === 410) leaseLost(given, answer.body.error);
    else fault(answer.body?.error?.sentence ?? "The server does not answer; what you wrote is kept.");
    return null;
  };
}

function showEmpty(title, text, again = true) {
  state.now = null;
  main.hidden = false;
  $("#work").hidden = $("#bar").hidden = true;
  $("#empty").hidden = false;
  $("#empty-title").textContent = title;
  $("#empty-text").textContent = text;
  $("#empty-again").hidden = !again;
  showBanner("");
}

const TITLES = {done: "All done", all_assigned: "Nothing left just now", needs_training: "Training first",
  failed_training: "Not passed", paused: "Paused", no_items: "Nothing here yet"};

function showNothing(nothing) {
  showEmpty(TITLES[nothing.reason] ?? "Nothing left", nothing.sentence, nothing.reason !== "done");
  if (nothing.reason === "needs_training") {
    $("#empty-link").href = `${root}/p/${encodeURIComponent(project)}/training`;
    $("#empty-link").textContent = "Start the training";
    $("#empty-link").focus();
  }
}

function showUnreachable() {
  const waiting = outbox.waiting ? ` ${outbox.waiting === 1 ? "One answer is" : `${outbox.waiting} answers are`} kept here and will be sent.` : "";
  showEmpty("The server does not answer", `Trying again by itself.${waiting} You can leave this page open.`);
  clearTimeout(showUnreachable.timer);
  showUnreachable.timer = setTimeout(() => { if (!state.now) load(); }, 4000);
}

// Answers -----------------------------------------------------------------------------------------

function body(answer) {
  const {item, assignment, guideline_version} = state.now;
  const presentation = {
    order: item.responses.length ? item.order : null, guideline_version, ui_version: ui,
    rendered: !main.classList.contains("as-written"), extra: {layout: layout.name, width: innerWidth},
  };
  const lease = state.now.judgment ? {} : {assignment_id: assignment.id, lease_token: assignment.lease_token};
  return {submission_id: uuid(), ...lease, answer, presentation, ...clock.read()};
}

async function submit(answer = null) {
  if (state.busy || !state.now) return;
  if (mode === "review") return review.submit(answer);
  const wrong = answer ? "" : form.fault();
  if (wrong) { fault(wrong); return; }
  const given = answer ?? form.read();
  const same = form.textual && !answer && (kept.read("texts") ?? []).includes(given.text);
  if (same && !submit.sure) { submit.sure = true; fault("You have written exactly this before. Submit again if you mean it."); return; }
  submit.sure = false;
  if (form.textual && given.text) kept.write("texts", [given.text, ...(kept.read("texts") ?? [])].slice(0, 20));
  const sent = body(given);
  const path = state.now.judgment ? `/judgments/${encodeURIComponent(state.now.judgment.judgment_id)}/revise` : "/judgments";
  const entry = {id: sent.submission_id, path, body: sent, at: Date.now()};
  stopDraft();
  if (state.now.judgment) { outbox.add(entry); say("Changed."); return leaveEarlier(); }
  state.done += 1;
  showDone();
  if (mode === "training") return lesson(entry);
  const settled = outbox.add(entry);
  advance(settled);
}

function advance(settled) {
  const pressed = performance.now();
  if (state.next) {
    const next = state.next;
    state.next = null;
    show(next);
    next.shownAt = performance.now();
    performance.measure("preftune-next", {start: pressed, end: performance.now()});
    settled.then(prefetch);
    return;
  }
  state.now = null;
  $("#work").hidden = $("#bar").hidden = true;
  if (outbox.tries || !navigator.onLine) showUnreachable();
  settled.then(() => { if (!state.now) load(); });
}

async function lesson(entry) {
  state.busy = true;
  const {item} = state.now, {taken, body: receipt} = await outbox.add(entry);
  state.busy = false;
  const got = taken ? receipt.lesson : null;
  if (!got) return load();
  const letters = lettersOf(item.order), title = $("#lesson-title");
  title.textContent = got.right ? "Right" : "Not quite";
  title.className = got.right ? "lesson-right" : "lesson-wrong";
  $("#lesson-answers").textContent = `You said: ${form.said(entry.body.answer, letters)}. The answer is: ${form.said(got.gold, letters)}.`;
  if (got.explanation.html === null) $("#lesson-text").textContent = got.explanation.text;
  else fill($("#lesson-text"), got.explanation.html);
  const share = Math.round(100 * got.share_right);
  $("#lesson-progress").textContent = `${got.done} of ${got.needed} done, ${share} % right.`;
  await ask("lesson-dialog");
  if (got.passed === true) {
    showEmpty("You passed", `${share} % right. The work can begin.`, false);
    $("#empty-link").href = `${root}/p/${encodeURIComponent(project)}/label`;
    $("#empty-link").textContent = "Start labelling";
    $("#empty-link").focus();
  } else if (got.passed === false) {
    showEmpty("Not passed this time", `${share} % were right. Read the guidelines again; if there are other training items you can try with those.`);
    $("#empty-again").textContent = "Try again";
  } else load();
}

async function skip() {
  if (!state.now?.assignment || state.now.judgment) return;
  const reason = await askReason("skip-dialog");
  if (!reason) return;
  const {id, lease_token} = state.now.assignment;
  stopDraft();
  const answer = await api("POST", `/assignments/${id}/skip`, {lease_token, reason});
  if (answer.status === 401) return loggedOut();
  if (answer.status === 0 || answer.status >= 500) { fault("The server does not answer; the item is still yours. Try again in a moment."); return; }
  kept.remove(`draft:${id}`);
  say("Skipped.");
  advance(Promise.resolve());
}

async function cannot() {
  if (!state.now) return;
  const reason = await askReason("cannot-dialog");
  if (reason) submit(form.readCannot(reason));
}

// Earlier answers ---------------------------------------------------------------------------------

async function undo() {
  if (mode !== "work" || state.now?.judgment) return;
  if (outbox.waiting) { fault("The last answer is still being sent."); return; }
  const answer = await api("GET", `/me/judgments?limit=1&project=${encodeURIComponent(project)}`);
  const last = answer.body?.[0];
  if (answer.status === 401) return loggedOut();
  if (!last) { fault("There is nothing to undo."); return; }
  if (!last.revisable_seconds) { fault("The time to change it is over."); return; }
  openEarlier(last.judgment_id);
}

async function openEarlier(id) {
  const answer = await api("GET", `/judgments/${encodeURIComponent(id)}`);
  if (answer.status !== 200) { fault(answer.body?.error?.sentence ?? "The server does not answer."); return; }
  if (state.now && !state.now.judgment) { saveDraft(); state.parked = {given: state.now, answer: form.read()}; }
  drawer("history", false);
  show({...answer.body, assignment: null}, answer.body.judgment.answer);
  showBanner("You are changing an earlier answer. The first one stays on record.", ["Leave it as it was", leaveEarlier]);
}

function leaveEarlier() {
  const back = state.parked;
  state.parked = null;
  if (back) show(back.given, back.answer);
  else { state.now = null; load(); }
}

async function showHistory() {
  const answer = await api("GET", `/me/judgments?limit=20&project=${encodeURIComponent(project)}`);
  const list = $("#history-list");
  if (answer.status !== 200) { list.textContent = "The server does not answer."; return; }
  list.replaceChildren(...answer.body.map((one) => {
    const made = document.createElement("li"), button = document.createElement("button");
    const what = document.createElement("span"), at = document.createElement("span");
    what.textContent = form.said(one.answer, lettersOf(one.order)) || "answered";
    at.className = "quiet";
    at.textContent = new Date(1000 * one.created_at).toLocaleTimeString([], {hour: "2-digit", minute: "2-digit"})
      + (one.status === "surplus" ? ", does not count" : one.revision > 1 ? ", changed" : "");
    button.type = "button";
    button.disabled = !one.revisable_seconds;
    button.title = one.revisable_seconds ? "Change it" : "The time to change it is over";
    button.append(what, at);
    button.addEventListener("click", () => openEarlier(one.judgment_id));
    made.append(button);
    return made;
  }));
  if (!answer.body.length) list.textContent = "Nothing yet.";
}

// Drafts and leases -------------------------------------------------------------------------------

let draftTimer = 0;
function newestDraft(given) {
  if (!given.assignment) return null;
  const local = kept.read(`draft:${given.assignment.id}`);
  const there = given.draft?.answer ? given.draft : null;
  if (local && (!there || local.at >= (there.at ?? 0))) return local.answer;
  return there?.answer ?? null;
}

function entered() {
  fault("");
  submit.sure = false;
  if (!state.now?.assignment || state.showing) return;
  kept.write(`draft:${state.now.assignment.id}`, {answer: form.read(), at: Date.now()});
  clearTimeout(draftTimer);
  draftTimer = setTimeout(saveDraft, 1000);
}

function stopDraft() {
  clearTimeout(draftTimer);
  draftTimer = 0;
}

async function saveDraft(options = {}) {
  if (!draftTimer || !state.now?.assignment || state.lost) return;
  stopDraft();
  const given = state.now, {id, lease_token} = given.assignment;
  saving = true; showSaved();
  const draft = {answer: form.read(), at: Date.now()};
  const answer = await api("POST", `/assignments/${id}/draft`, {lease_token, draft}, options);
  saving = false; showSaved();
  if (answer.status === 401) loggedOut();
  if (answer.status === 410) leaseLost(given, answer.body.error);
  if (answer.status === 401 || answer.status === 0) draftTimer = -1; // still to be saved
}

async function beat() {
  if (clock.idle() > 5 * 60000 || document.visibilityState !== "visible") return;
  for (const given of [state.now, state.next]) {
    if (!given?.assignment || (given === state.now && state.lost)) continue;
    const answer = await api("POST", `/assignments/${given.assignment.id}/heartbeat`, {lease_token: given.assignment.lease_token});
    if (answer.status === 401) loggedOut();
    if (answer.status === 410) leaseLost(given, answer.body.error);
  }
}

function leaseLost(given, error) {
  if (given === state.next) { state.next = null; return; }
  if (given !== state.now || state.lost) return;
  state.lost = error;
  const next = () => { kept.write("kept", {answer: form.read(), at: Date.now()}); state.now = null; load(); };
  if (error.happened === "retaken") {
    showBanner("This item is open in another tab or window of yours.", ["Continue here", () => { state.now = null; load(); }]);
  } else if (error.happened === "submitted") {
    showBanner("You have answered this item already.", ["Next item", next]);
  } else {
    showBanner("Your text is safe; this item was finished by others meanwhile. You can still send it: it is kept, and may not count.",
      ["Send it", () => submit()], ["Copy it", copyText], ["Next item", next]);
  }
}

async function copyText() {
  const text = form.read().text ?? form.read().note ?? "";
  try { await navigator.clipboard.writeText(text); say("Copied."); } catch { showProblem("What you entered", {sentence: ""}, {text}); }
}

function showBanner(text, ...buttons) {
  const banner = $("#banner"), line = document.createElement("p"), actions = document.createElement("p");
  banner.hidden = !text;
  line.textContent = text;
  actions.append(...buttons.map(([name, act]) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = name;
    made.addEventListener("click", act);
    return made;
  }));
  actions.className = "inline";
  banner.replaceChildren(line, ...(buttons.length ? [actions] : []));
}

// Keys and buttons --------------------------------------------------------------------------------

function confidence(by) {
  const all = $$('[name="confidence"]');
  if (!all.length) return;
  const at = all.findIndex((input) => input.checked);
  const to = all[at < 0 ? 1 : Math.max(0, Math.min(all.length - 1, at + by))];
  to.checked = true;
  entered();
}

function differ() {
  state.differ = !state.differ;
  if (state.now) markDifferences(state.now.item, state.differ);
  say(state.differ ? "What differs is marked." : "No marks.");
}

function written() {
  main.dataset.written = main.classList.toggle("as-written") ? "1" : "";
  say(main.dataset.written ? "As written." : "Rendered.");
}

const acts = {
  submit: () => submit(), undo, skip, cannot,
  both_bad: () => form.toggleBad?.(),
  flags: () => $('[name="flags"]')?.focus(),
  note: () => $('[name="note"]')?.focus(),
  less_sure: () => confidence(-1),
  more_sure: () => confidence(1),
  guidelines() {
    if (drawer("guidelines")) api("POST", `${here}/guidelines/${main.dataset.guideline}/seen`);
    kept.write("guidelines-open", !$("#guidelines").hidden);
  },
  history() { $("#help-dialog").close(); if (drawer("history")) showHistory(); },
  ask() {
    $("#help-dialog").close();
    if (mode === "work" && state.now?.assignment) questions.open(state.now.assignment);
  },
  raw: written, diff: differ,
  layout: () => kept.write("layout", layout.next()),
  veil: () => kept.write("veiled", main.classList.toggle("veiled")),
  smaller: () => nextLook("smaller"), larger: () => nextLook("larger"),
  help() { showKeys(); ask("help-dialog"); },
};

function showKeys() {
  $("#kind-keys").textContent = form.keys;
  $("#key-fault").textContent = "";
  $("#key-list").replaceChildren(...Object.entries(ACTIONS).map(([action, [, text]]) => {
    const row = document.createElement("tr"), what = document.createElement("td"), which = document.createElement("td");
    what.textContent = text;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = keys.of(action);
    button.disabled = !keys.changeable(action);
    button.setAttribute("aria-label", `Key for “${text}”: ${keys.of(action)}. Change it`);
    button.addEventListener("click", () => {
      button.textContent = "press a key";
      button.addEventListener("keydown", (event) => {
        event.preventDefault();
        event.stopPropagation();
        const wrong = event.key === "Escape" ? "" : keys.change(action, event.key);
        showKeys();
        $("#key-fault").textContent = wrong;
        nameKeys();
      }, {once: true});
    });
    which.append(button);
    row.append(what, which);
    return row;
  }));
}

function nameKeys() { for (const node of $$("[data-key]")) node.textContent = keys.of(node.dataset.key); }

const writingIn = (node) => node.matches("textarea, input[type='text']:not(.rank-input), select");

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || $("dialog[open]") || event.isComposing) return;
  const {target, key} = event, control = event.ctrlKey || event.metaKey;
  if (key === "Enter" && control) { event.preventDefault(); if (!event.repeat) submit(); return; }
  if (key === "Escape") {
    if ($$(".drawer").some((one) => !one.hidden)) for (const one of $$(".drawer")) drawer(one.id, false);
    else if (state.now?.judgment) leaveEarlier();
    else target.blur();
    return;
  }
  if (control || (writingIn(target) && !(key === "Enter" && target.matches(".why input")))) return;
  if (target.matches(".rank-input") && /^(\d|Backspace|Delete|Tab)$/.test(key)) return;
  if (key === "Enter") {
    if (target.matches("button, a, summary") || event.repeat) return;
    event.preventDefault();
    submit();
    return;
  }
  if (state.now && form.key(event)) { event.preventDefault(); entered(); return; }
  if (event.altKey) return;
  const reason = $$("[data-letter]").find((input) => input.dataset.letter === key);
  const action = reason ? null : keys.action(key);
  if (!reason && !action) return;
  event.preventDefault();
  if (reason) { reason.checked = !reason.checked; entered(); } else acts[action]();
});

document.addEventListener("click", (event) => {
  const link = event.target.closest(".text a[href]");
  if (link && main.contains(link)) {
    event.preventDefault();
    $("#link-address").textContent = link.href;
    $("#link-open").href = link.href;
    ask("link-dialog");
    return;
  }
  const button = event.target.closest("[data-action]"), closing = event.target.closest("[data-close]");
  if (button) acts[button.dataset.action]?.();
  if (closing) drawer(closing.dataset.close, false);
  if (event.target.closest("#link-open")) $("#link-dialog").close();
});

$("#form").addEventListener("submit", (event) => event.preventDefault());
$("#submit").addEventListener("click", (event) => {
  event.preventDefault();
  if (event.detail > 1 || performance.now() - (state.now?.shownAt ?? 0) < (event.detail ? 350 : 0)) return; // a double click
  submit();
});
for (const area of [$("#form"), $("#bar"), $("#responses")]) {
  area.addEventListener("input", entered);
}
$("#empty-again").addEventListener("click", () => load());
$("#keys-reset").addEventListener("click", () => { keys.reset(); showKeys(); nameKeys(); });
$("#goal").addEventListener("click", () => {
  const goal = Number(prompt("How many do you want to do today?", kept.read("goal") ?? 50));
  if (goal > 0) { kept.write("goal", Math.round(goal)); showDone(); }
});
$("#preview-toggle")?.addEventListener("click", async (event) => {
  const button = event.target, on = button.getAttribute("aria-pressed") !== "true", area = $("#preview");
  button.setAttribute("aria-pressed", String(on));
  area.hidden = !on;
  if (!on) return;
  const answer = await api("POST", "/preview", {text: $("#text").value});
  if (answer.body?.html) fill(area, answer.body.html);
  else area.textContent = $("#text").value;
});

function showDone() {
  $("#today").hidden = mode !== "work";
  $("#done").textContent = state.done;
  $("#goal").textContent = kept.read("goal") ?? 50;
}

// A page that is left keeps what was entered; one that comes back shows what is true now.
const keep = () => saveDraft({keepalive: true});
addEventListener("blur", keep);
addEventListener("pagehide", keep);
addEventListener("pageshow", (event) => { if (event.persisted) { state.now = state.next = null; load(); } });
document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") keep(); else beat(); });
setInterval(beat, 30000);
setInterval(() => {
  if (clock.session > 50 * 60000 && !$("dialog[open]")) { clock.session = 0; ask("rest-dialog"); }
}, 60000);

const questions = new Questions(api, ask);
const review = mode === "review" ? new Review({api, form, main, show, showEmpty, showBanner, fault, lettersOf, state}) : null;
if (kept.read("veiled")) main.classList.add("veiled");
if (kept.read("guidelines-open") && innerWidth >= 1500) drawer("guidelines", true);
if (form.textual) $("#submit kbd").textContent = "Ctrl Enter";
looks();
nameKeys();
fitBar();
showDone();
showSaved();
load();
