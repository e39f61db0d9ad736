// Word-level difference of two texts: Myers' O(ND) algorithm (1986) over words, spaces and signs.

const TOKENS = /\s+|[\p{L}\p{N}_'’]+|[^\s\p{L}\p{N}_]/gu;
const MOST_EDITS = 1200; // beyond this two texts have little in common: all of the middle is marked

/** The tokens of a text; joined they are the text. */
export const tokens = (text) => text.match(TOKENS) ?? [];

/**
 * What turns `before` into `after`: [{op: "same" | "gone" | "new", text}] in reading order.
 * Joining "same" and "gone" gives `before`, "same" and "new" gives `after`.
 */
export function diff(before, after) {
  const a = tokens(before), b = tokens(after);
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start
         && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const middle = edits(a.slice(start, a.length - end), b.slice(start, b.length - end));
  return joined([
    ...a.slice(0, start).map((text) => ({op: "same", text})),
    ...middle,
    ...(end ? a.slice(-end) : []).map((text) => ({op: "same", text})),
  ]);
}

function edits(a, b) {
  const most = Math.min(a.length + b.length, MOST_EDITS), middle = most + 1;
  const reach = new Int32Array(2 * most + 3), trail = [];
  for (let d = 0; d <= most; d += 1) {
    trail.push(reach.slice());
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && reach[middle + k - 1] < reach[middle + k + 1]);
      let x = down ? reach[middle + k + 1] : reach[middle + k - 1] + 1, y = x - k;
      while (x < a.length && y < b.length && a[x] === b[y]) { x += 1; y += 1; }
      reach[middle + k] = x;
      if (x >= a.length && y >= b.length) return traced(a, b, trail, middle);
    }
  }
  return [...a.map((text) => ({op: "gone", text})), ...b.map((text) => ({op: "new", text}))];
}

function traced(a, b, trail, middle) {
  const found = [];
  let x = a.length, y = b.length;
  for (let d = trail.length - 1; d >= 0; d -= 1) {
    const reach = trail[d], k = x - y;
    const down = k === -d || (k !== d && reach[middle + k - 1] < reach[middle + k + 1]);
    const fromK = down ? k + 1 : k - 1;
    const fromX = d === 0 ? 0 : reach[middle + fromK], fromY = d === 0 ? 0 : fromX - fromK;
    while (x > fromX && y > fromY && x > 0 && y > 0 && a[x - 1] === b[y - 1]) {
      x -= 1; y -= 1; found.push({op: "same", text: a[x]});
    }
    if (d === 0) break;
    if (down) { y -= 1; found.push({op: "new", text: b[y]}); }
    else { x -= 1; found.push({op: "gone", text: a[x]}); }
  }
  return found.reverse();
}

function joined(parts) {
  const whole = [];
  for (const part of parts) {
    const last = whole.at(-1);
    if (last && last.op === part.op) last.text += part.text;
    else whole.push({...part});
  }
  return whole;
}

const ELEMENTS = {gone: "del", new: "ins"};

/** Fills `node` with the difference; `skip` leaves one side out, the rest is marked. */
export function showDiff(node, before, after, skip = "") {
  node.replaceChildren(...diff(before, after).filter((part) => part.op !== skip).map((part) => {
    if (part.op === "same") return document.createTextNode(part.text);
    const made = document.createElement(skip ? "mark" : ELEMENTS[part.op]);
    if (!skip && part.op === "gone") made.className = "gone";
    made.textContent = part.text;
    return made;
  }));
}
