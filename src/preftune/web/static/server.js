// Talking to the server, and what is kept in this browser.

const SECONDS = 20;

/** One JSON request. {status, body}; status 0 when no answer came. */
export async function call(root, method, path, body, options = {}) {
  const given = body === undefined ? {} : {body: JSON.stringify(body), headers: {"Content-Type": "application/json"}};
  const stop = new AbortController(), timer = setTimeout(() => stop.abort(), 1000 * SECONDS);
  try {
    const answer = await fetch(`${root}/api${path}`, {
      method, ...given, credentials: "same-origin", signal: stop.signal, ...options,
    });
    const text = await answer.text();
    let parsed = null;
    try { parsed = text ? JSON.parse(text) : null; } catch { /* a proxy's page, say */ }
    return {status: answer.status, body: parsed};
  } catch {
    return {status: 0, body: null};
  } finally {
    clearTimeout(timer);
  }
}

/** Small things kept in this browser; nothing breaks where storage is off. */
export const kept = {
  read(name) {
    try { return JSON.parse(localStorage.getItem(`preftune:${name}`)); } catch { return null; }
  },
  write(name, value) {
    try { localStorage.setItem(`preftune:${name}`, JSON.stringify(value)); } catch { /* off or full */ }
  },
  remove(name) {
    try { localStorage.removeItem(`preftune:${name}`); } catch { /* off */ }
  },
};

/** A random UUID, also where the page came by plain HTTP and crypto.randomUUID is missing. */
export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Time with the page in view and something done in the last 30 seconds, and time in all. */
export class Clock {
  constructor() {
    this.touched = performance.now();
    this.restart();
    const touch = () => { this.touched = performance.now(); };
    for (const name of ["keydown", "pointerdown", "pointermove", "wheel", "touchstart", "scroll"]) {
      addEventListener(name, touch, {passive: true, capture: true});
    }
    setInterval(() => this.tick(), 1000);
  }

  restart() { this.began = this.last = performance.now(); this.active = 0; }

  tick() {
    const now = performance.now(), passed = Math.min(now - this.last, 5000);
    if (document.visibilityState === "visible" && now - this.touched < 30000) {
      this.active += passed;
      this.session = (this.session ?? 0) + passed;
    }
    this.last = now;
  }

  idle() { return performance.now() - this.touched; }

  read() {
    this.tick();
    return {active_ms: Math.round(this.active), wall_ms: Math.round(performance.now() - this.began)};
  }
}
