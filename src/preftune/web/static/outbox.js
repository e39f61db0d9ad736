// Answers on their way to the server. An answer stays here, in this browser, until the server has
// said that it is on its disk; sending one twice is safe, its id is drawn once.

const WAITS = [1, 2, 4, 8, 15, 30]; // seconds
const AGAIN = (status) => status === 0 || status === 408 || status === 425 || status === 429 || status >= 500;

export class Outbox {
  /**
   * `send(entry)` → {status, body} (status 0: no answer came). `on` has received(entry, receipt),
   * refused(entry, error), loggedOut() and changed(waiting).
   */
  constructor(owner, send, on) {
    this.prefix = `preftune:outbox:${owner}:`;
    this.send = send;
    this.on = on;
    this.entries = this.stored();
    this.tries = 0;
    this.timer = 0;
    this.running = null;
    this.waiters = new Map();
    addEventListener("online", () => this.flush());
  }

  stored() {
    try {
      return Object.keys(localStorage)
        .filter((key) => key.startsWith(this.prefix))
        .map((key) => JSON.parse(localStorage.getItem(key)))
        .sort((a, b) => a.at - b.at);
    } catch {
      return [];
    }
  }

  get waiting() { return this.entries.length; }

  holds(assignment) { return this.entries.some((entry) => entry.body.assignment_id === assignment); }

  /** Keeps the entry and sends it; the promise ends when the server has taken or refused it. */
  add(entry) {
    this.entries.push(entry);
    try {
      localStorage.setItem(this.prefix + entry.id, JSON.stringify(entry));
    } catch { /* storage is full or off: it is kept as long as the page is open */ }
    this.on.changed(this.waiting);
    const settled = new Promise((resolve) => this.waiters.set(entry.id, resolve));
    this.flush();
    return settled;
  }

  /** Sends what waits, oldest first, one at a time; ends when none is left or one must wait. */
  flush() {
    clearTimeout(this.timer);
    this.running ??= this.drain().finally(() => { this.running = null; });
    return this.running;
  }

  async drain() {
    while (this.entries.length) {
      const entry = this.entries[0];
      const answer = await this.send(entry);
      if (answer.status === 401) { this.on.loggedOut(); this.on.changed(this.waiting); return; }
      if (AGAIN(answer.status)) {
        const wait = WAITS[Math.min(this.tries, WAITS.length - 1)];
        this.tries += 1;
        this.timer = setTimeout(() => this.flush(), 1000 * wait * (0.8 + 0.4 * Math.random()));
        this.on.changed(this.waiting);
        return;
      }
      this.tries = 0;
      this.entries.shift();
      try { localStorage.removeItem(this.prefix + entry.id); } catch { /* as above */ }
      const taken = answer.status >= 200 && answer.status < 300;
      if (taken) this.on.received(entry, answer.body);
      else this.on.refused(entry, answer.body?.error ?? {sentence: "The server refused it."});
      this.waiters.get(entry.id)?.({taken, body: answer.body});
      this.waiters.delete(entry.id);
      this.on.changed(this.waiting);
    }
  }
}
