// Dark or light: as the system says, unless the reader chose. A plain script in the head, so that nothing flashes.
"use strict";

(() => {
  const STORED = "retrieval.theme";
  const LABELS = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" };
  const order = Object.keys(LABELS);
  const stored = localStorage.getItem(STORED);
  let theme = order.includes(stored) ? stored : "auto";

  function apply() {
    const dark = theme === "dark" || (theme === "auto" && system.matches);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    const button = document.getElementById("theme");
    if (button) button.textContent = LABELS[theme];
    document.dispatchEvent(new Event("themechange"));
  }

  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", apply);
  apply();
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme").addEventListener("click", () => {
      theme = order[(order.indexOf(theme) + 1) % order.length];
      localStorage.setItem(STORED, theme);
      apply();
    });
  });
})();
