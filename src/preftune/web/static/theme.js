// Before anything is painted: how this person wants pages to look. Kept in this browser only.
(() => {
  const root = document.documentElement;
  const kept = (name) => {
    try {
      return localStorage.getItem(`preftune:${name}`);
    } catch {
      return null; // storage is switched off
    }
  };
  const theme = kept("theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  if (kept("contrast") === "high") root.dataset.contrast = "high";
  const size = Number(kept("size"));
  if (size >= 80 && size <= 200) root.style.setProperty("font-size", `${size}%`);
})();
