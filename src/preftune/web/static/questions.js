// Asking a lead about the item on the screen, and reading what was answered.

import {$} from "./forms.js";
import {fill} from "./cleaned.js";

/** The dialog of one item: what was asked and told so far, and a field for more. */
export class Questions {
  constructor(api, ask) {
    this.api = api;
    this.ask = ask;
    this.id = null;
    this.asked = 0;
    $("#ask-send").addEventListener("click", () => this.send());
  }

  async open(assignment) {
    if (this.id !== assignment.id) $("#ask-text").value = "";
    this.id = assignment.id;
    this.say("");
    $("#ask-thread").replaceChildren();
    const shown = this.ask("ask-dialog");
    const turn = ++this.asked, answer = await this.api("GET", `/assignments/${this.id}/questions`);
    if (turn === this.asked) this.show(answer);  // a question sent meanwhile has the newer thread
    return shown;
  }

  async send() {
    const text = $("#ask-text").value.trim();
    if (!text) { this.say("Write your question first."); return; }
    this.asked += 1;
    const answer = await this.api("POST", `/assignments/${this.id}/questions`, {text});
    if (this.show(answer)) {
      $("#ask-text").value = "";
      this.say("Asked. The answer will stand here, and under “My results”.");
    }
  }

  show(answer) {
    if (answer.status !== 200) {
      this.say(answer.body?.error?.sentence ?? "The server does not answer. Your question is still here: try again in a moment.");
      return false;
    }
    $("#ask-thread").replaceChildren(...answer.body.map((one) => {
      const made = document.createElement("li"), who = document.createElement("p"), text = document.createElement("div");
      made.className = one.own ? "asked" : "told";
      who.className = "quiet";
      who.textContent = one.own ? "You" : "Lead";
      text.className = "text";
      if (one.html === null) text.textContent = one.text; else fill(text, one.html);
      made.append(who, text);
      return made;
    }));
    return true;
  }

  say(text) { $("#ask-said").textContent = text; }
}
