// Ranking: a digit on a focused card, Alt and arrows, dragging, or rough piles first.

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const letter = (place) => String.fromCharCode(65 + place);
const MANY = 6;

/** Ranks 1, 2, … without gaps, null where there is none. */
function dense(ranks) {
  const levels = [...new Set(ranks.filter((rank) => rank !== null))].sort((a, b) => a - b);
  return ranks.map((rank) => rank === null ? null : levels.indexOf(rank) + 1);
}

export function ranking(question) {
  let order = [], ranks = [], warned = false; // ranks by place
  const cards = () => $$("#responses .card");
  const placeOf = (node) => cards().indexOf(node?.closest?.(".card"));
  const listed = () => ranks.map((_, place) => place)
    .sort((a, b) => (ranks[a] ?? 99) - (ranks[b] ?? 99) || a - b);

  function draw() {
    cards().forEach((card, place) => { $(".rank-input", card).value = ranks[place] ?? ""; });
    const list = $("#ranking");
    list.replaceChildren(...listed().map((place) => {
      const made = document.createElement("li");
      made.draggable = true;
      made.dataset.place = place;
      made.className = ranks[place] === null ? "none" : "";
      made.textContent = ranks[place] === null ? `${letter(place)}: no rank` : `${ranks[place]}. ${letter(place)}`;
      return made;
    }));
  }

  function changed() {
    warned = false;
    draw();
    $("#ranking").dispatchEvent(new Event("input", {bubbles: true}));
  }

  /** Puts `place` at position `to` of the list; everything then has a rank of its own. */
  function put(place, to) {
    const list = listed().filter((one) => one !== place);
    list.splice(Math.max(0, Math.min(list.length, to)), 0, place);
    list.forEach((one, position) => { ranks[one] = position + 1; });
    changed();
  }

  const move = (place, by) => put(place, listed().indexOf(place) + by);

  function drag(list) {
    let held = null;
    list.addEventListener("dragstart", (event) => { held = Number(event.target.dataset.place); });
    list.addEventListener("dragover", (event) => event.preventDefault());
    list.addEventListener("drop", (event) => {
      event.preventDefault();
      const onto = event.target.closest("li");
      if (held !== null && onto) put(held, listed().indexOf(Number(onto.dataset.place)));
      held = null;
    });
    // A finger: pick one up, put it where it is let go.
    list.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "touch") held = Number(event.target.closest("li")?.dataset.place ?? -1);
    });
    list.addEventListener("pointerup", (event) => {
      if (event.pointerType !== "touch" || held === null || held < 0) return;
      const onto = document.elementFromPoint(event.clientX, event.clientY)?.closest("#ranking li");
      if (onto) put(held, listed().indexOf(Number(onto.dataset.place)));
      held = null;
    });
  }
  drag($("#ranking"));

  return {
    show(item) {
      order = item.order;
      ranks = order.map(() => null);
      cards().forEach((card, place) => {
        const input = $(".rank-input", card);
        input.setAttribute("aria-label", `Rank of response ${letter(place)}, 1 to ${order.length}`);
        input.addEventListener("focus", () => input.select());
        input.addEventListener("input", (event) => {
          event.stopPropagation();
          const digit = Number(input.value);
          ranks[place] = digit >= 1 && digit <= order.length ? digit : null;
          changed();
          const next = cards().findIndex((_, one) => one > place && ranks[one] === null);
          if (ranks[place] !== null && next >= 0) $(".rank-input", cards()[next]).focus();
        });
        for (const button of $$("[data-move]", card)) {
          button.setAttribute("aria-label", `Move response ${letter(place)} ${button.dataset.move < 0 ? "up" : "down"}`);
          button.addEventListener("click", () => move(place, Number(button.dataset.move)));
        }
        $(".buckets", card).hidden = order.length < MANY;
        for (const button of $$("[data-bucket]", card)) {
          button.addEventListener("click", () => { ranks[place] = Number(button.dataset.bucket); changed(); });
        }
      });
      draw();
    },
    focus: () => $(".rank-input", cards()[0])?.focus({preventScroll: true}),
    read() {
      if (ranks.some((rank) => rank === null)) {
        return {ranks: null, shown_ranks: ranks.some((rank) => rank !== null) ? [...ranks] : null};
      }
      const own = [];
      dense(ranks).forEach((rank, place) => { own[order[place]] = rank; });
      return {ranks: own};
    },
    write(answer) {
      if (answer.ranks) order.forEach((index, place) => { ranks[place] = answer.ranks[index]; });
      else ranks = answer.shown_ranks ?? order.map(() => null);
      draw();
    },
    fault() {
      const open = ranks.indexOf(null);
      if (open >= 0) { $(".rank-input", cards()[open]).focus(); return `Response ${letter(open)} has no rank yet.`; }
      if (!question.ties && new Set(ranks).size < ranks.length) return "Two responses share a rank; here each needs its own.";
      if (!warned && ranks.every((rank, place) => rank === place + 1)) {
        warned = true;
        return "This is the order they were shown in. Submit again if you mean it.";
      }
      return "";
    },
    key(event) {
      const place = placeOf(document.activeElement);
      if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown") && place >= 0) {
        move(place, event.key === "ArrowUp" ? -1 : 1);
        return true;
      }
      if (!event.altKey && (event.key === "ArrowDown" || event.key === "ArrowUp") && place >= 0) {
        const next = cards()[place + (event.key === "ArrowDown" ? 1 : -1)];
        if (next) $(".rank-input", next).focus();
        return true;
      }
      const digit = Number(event.key);
      if (!(digit >= 1 && digit <= order.length)) return false;
      const at = place >= 0 ? place : Math.max(0, ranks.indexOf(null));
      ranks[at] = digit;
      changed();
      $(".rank-input", cards()[at + 1] ?? cards()[at]).focus();
      return true;
    },
    said(answer, letters) {
      if (!answer.ranks) return "";
      const levels = new Map();
      answer.ranks.forEach((rank, index) => levels.set(rank, [...(levels.get(rank) ?? []), letters[index]]));
      return [...levels.keys()].sort((a, b) => a - b).map((rank) => levels.get(rank).sort().join(" = ")).join(" > ");
    },
    keys: "Type a rank on a card; Alt and arrows move it; the same rank is a tie.",
  };
}
