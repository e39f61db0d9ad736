// Appearance: as the system, light or dark; contrast; size of text. Kept in this browser.

const root = document.documentElement;
const read = (name) => { try { return localStorage.getItem(`preftune:${name}`); } catch { return null; } };
const write = (name, value) => {
  try {
    if (value === null) localStorage.removeItem(`preftune:${name}`);
    else localStorage.setItem(`preftune:${name}`, value);
  } catch { /* not kept */ }
};
const THEMES = [[null, "as the system"], ["light", "light"], ["dark", "dark"]];

function names() {
  const theme = THEMES.find(([value]) => value === (root.dataset.theme ?? null)) ?? THEMES[0];
  for (const node of document.querySelectorAll("[data-theme-name]")) node.textContent = theme[1];
  for (const node of document.querySelectorAll("[data-contrast-name]")) {
    node.textContent = root.dataset.contrast === "high" ? "high" : "normal";
  }
}

export function nextLook(what) {
  if (what === "theme") {
    const at = THEMES.findIndex(([value]) => value === (root.dataset.theme ?? null));
    const [value] = THEMES[(at + 1) % THEMES.length];
    if (value) root.dataset.theme = value;
    else delete root.dataset.theme;
    write("theme", value);
  } else if (what === "contrast") {
    const high = root.dataset.contrast !== "high";
    if (high) root.dataset.contrast = "high";
    else delete root.dataset.contrast;
    write("contrast", high ? "high" : null);
  } else {
    const size = Math.max(80, Math.min(200, (Number(read("size")) || 100) + (what === "larger" ? 10 : -10)));
    root.style.setProperty("font-size", `${size}%`);
    write("size", String(size));
  }
  names();
}

/** Makes the buttons for it work. */
export function looks() {
  names();
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-theme-next]")) nextLook("theme");
    if (event.target.closest("[data-contrast-next]")) nextLook("contrast");
  });
}
