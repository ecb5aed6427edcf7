/* Light, dark, or as the system has it; remembered. Loaded before the page is painted, so that nothing flashes. */
"use strict";

window.medimgr = window.medimgr || {};

(() => {
  const KEY = "medimgr.theme";
  const NEXT = { auto: "light", light: "dark", dark: "auto" };
  const WORDS = { auto: "Theme: auto", light: "Theme: light", dark: "Theme: dark" };

  function stored() {
    try {
      return localStorage.getItem(KEY) || "auto";
    } catch {
      return "auto"; // storage can be forbidden
    }
  }

  function apply(theme) {
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
  }

  apply(stored());
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme-toggle");
    if (!button) return;
    let theme = NEXT[stored()] ? stored() : "auto";
    const show = () => {
      button.textContent = { auto: "◐", light: "☀", dark: "☾" }[theme];
      button.title = `${WORDS[theme]}. Click for ${NEXT[theme]}.`;
      button.setAttribute("aria-label", WORDS[theme]);
    };
    button.hidden = false;
    show();
    button.addEventListener("click", () => {
      theme = NEXT[theme];
      apply(theme);
      try {
        localStorage.setItem(KEY, theme);
      } catch { /* then it lasts as long as the page */ }
      show();
    });
  });
})();
