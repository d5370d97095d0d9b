"use strict";
// Dark and light: the reader's system decides until the reader does; paper is always light.

const systemDark = window.matchMedia("(prefers-color-scheme: dark)");
const themeListeners = [];

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : systemDark.matches;
}

function themeChanged() {
  const button = document.getElementById("theme");
  button.textContent = isDark() ? "Light" : "Dark";
  button.setAttribute("aria-label", isDark() ? "Show in light colours" : "Show in dark colours");
  themeListeners.forEach((listener) => listener());
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

document.getElementById("theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  themeChanged();
});
systemDark.addEventListener("change", themeChanged);

let themeBeforePrint;
window.addEventListener("beforeprint", () => {
  const root = document.documentElement;
  themeBeforePrint = root.dataset.theme;
  root.dataset.theme = "light";
  root.classList.add("printing");
  themeChanged();
});
window.addEventListener("afterprint", () => {
  const root = document.documentElement;
  root.classList.remove("printing");
  if (themeBeforePrint) root.dataset.theme = themeBeforePrint;
  else delete root.dataset.theme;
  themeChanged();
});
