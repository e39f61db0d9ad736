// A disputed item: the lead's own answer first, then the votes, then the decision.

import {$} from "./forms.js";

const when = (seconds) => new Date(1000 * seconds).toLocaleString([], {dateStyle: "short", timeStyle: "short"});

export class Review {
  constructor(screen) {
    this.screen = screen;
    this.number = screen.main.dataset.item;
    this.path = `/review/${this.number}`;
    this.disputed = null;
    for (const action of ["skip", "cannot", "undo"]) $(`#bar [data-action="${action}"]`).hidden = action !== "cannot";
  }

  async load() {
    const answer = await this.screen.api("GET", this.path);
    if (answer.status !== 200) {
      this.screen.showEmpty("Nothing to decide", answer.body?.error?.sentence ?? "The server does not answer.", false);
      return;
    }
    this.take(answer.body);
  }

  take(disputed) {
    this.disputed = disputed;
    this.screen.show({item: disputed.item, assignment: null, disputed: true}, disputed.blind);
    const blind = disputed.blind === null;
    $("#votes").hidden = blind;
    $("#submit-text").textContent = blind ? "Answer, then see the votes" : "Decide";
    this.screen.showBanner(blind
      ? "First your own answer, without the votes. It is kept beside them."
      : "Now the votes. They stay as they are; your decision is kept beside them.");
    if (!blind) this.showVotes();
  }

  showVotes() {
    const {form, lettersOf} = this.screen, letters = lettersOf(this.disputed.item.order);
    $("#vote-list").replaceChildren(...this.disputed.votes.map((vote) => {
      const made = document.createElement("article"), head = document.createElement("p"), said = document.createElement("p");
      made.className = "vote";
      head.className = "quiet";
      const took = vote.active_seconds === null ? "" : `, ${Math.round(vote.active_seconds)} s`;
      const group = vote.group ? ` (${vote.group})` : "";
      const origin = vote.origin === "human" ? "" : `, ${vote.origin}`;
      head.textContent = `${vote.annotator}${group}${origin}, ${when(vote.created_at)}${took}`;
      said.textContent = form.said(vote.answer, letters);
      made.append(head, said);
      const reasons = (vote.answer.reasons ?? []).join(", ");
      if (reasons) { const line = document.createElement("p"); line.textContent = `Reasons: ${reasons.replaceAll("_", " ")}`; made.append(line); }
      if (vote.answer.note) {
        const line = document.createElement("p"), own = lettersOf(vote.order), order = this.disputed.item.order;
        const moved = order.some((index) => own[index] !== letters[index]);
        const key = moved ? ` (for them, ${order.map((index) => `${letters[index]} was ${own[index]}`).join(", ")})` : "";
        line.textContent = `“${vote.answer.note}”${key}`;
        made.append(line);
      }
      return made;
    }));
    $("#votes h2").tabIndex = -1;
    $("#votes").scrollIntoView({block: "nearest"});
  }

  async submit(cannot) {
    const {form, fault, api, state, main} = this.screen;
    const wrong = cannot ? "" : form.fault();
    if (wrong) { fault(wrong); return; }
    const answer = cannot ?? form.read();
    const chosen = (name) => $(`[name="${name}"]:checked`)?.value ?? "";
    const blind = this.disputed.blind === null;
    const body = blind ? {answer} : {
      answer, confidence: chosen("ruling-confidence"), error_kind: chosen("error-kind"),
      note: $('[name="ruling-note"]').value.trim(), guideline_change: $('[name="guideline-change"]').checked,
    };
    state.busy = true;
    const got = await api("POST", `${this.path}/${blind ? "blind" : "decision"}`, body);
    state.busy = false;
    if (got.status !== 200) { fault(got.body?.error?.sentence ?? "The server does not answer; try again in a moment."); return; }
    if (blind) this.take(got.body);
    else location.assign(main.dataset.back);
  }
}
