// Keys: what each does, how a person changes them, and that no two clash.

export const ACTIONS = {
  submit: ["Enter", "Submit, and on to the next"],
  undo: ["u", "Change the last answer"],
  skip: ["s", "Skip the item"],
  cannot: ["c", "It cannot be judged"],
  both_bad: ["b", "Both are bad"],
  flags: ["f", "To the flags"],
  note: ["n", "Write a note"],
  less_sure: ["[", "Less sure"],
  more_sure: ["]", "More sure"],
  guidelines: ["g", "Guidelines"],
  history: ["h", "Your last decisions"],
  ask: ["a", "Ask a lead about this item"],
  raw: ["m", "Rendered, or as written"],
  diff: ["d", "Mark what differs"],
  layout: ["l", "Scroll with the page, linked, or apart"],
  veil: ["x", "Blur texts until pointed at"],
  smaller: ["-", "Smaller text"],
  larger: ["+", "Larger text"],
  help: ["?", "This list"],
};
const FIXED = ["submit"];
const STORED = "preftune:keys";

/** Keys by action. `taken` are keys a kind or its reason tags need. */
export class Keys {
  constructor(taken) {
    this.taken = new Set([..."0123456789", "Enter", "Escape", "Tab", " ", ...taken]);
    let own = {};
    try { own = JSON.parse(localStorage.getItem(STORED) ?? "{}"); } catch { /* none kept */ }
    this.own = {};
    for (const [action, key] of Object.entries(own)) {
      if (action in ACTIONS && !this.clash(action, key)) this.own[action] = key;
    }
  }

  of(action) { return this.own[action] ?? ACTIONS[action][0]; }

  action(key) { return Object.keys(ACTIONS).find((name) => this.of(name) === key) ?? null; }

  changeable(action) { return !FIXED.includes(action); }

  /** Why `key` cannot be used for `action`, or "". */
  clash(action, key) {
    if (key.length !== 1) return "Choose a letter or a sign.";
    if (this.taken.has(key)) return `“${key}” answers the question in this project.`;
    const other = Object.keys(ACTIONS).find((name) => name !== action && this.of(name) === key);
    return other ? `“${key}” is already for: ${ACTIONS[other][1].toLowerCase()}.` : "";
  }

  change(action, key) {
    const fault = this.clash(action, key);
    if (!fault) { this.own[action] = key; this.keep(); }
    return fault;
  }

  reset() { this.own = {}; this.keep(); }

  keep() { try { localStorage.setItem(STORED, JSON.stringify(this.own)); } catch { /* not kept */ } }
}
