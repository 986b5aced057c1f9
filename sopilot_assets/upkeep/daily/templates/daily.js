"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  function speak(language) {
    $(`lang-${language}`).checked = true;
    document.documentElement.lang = language;
  }
  function remembered() {
    try { return localStorage.getItem("sopilot-language"); } catch { return null; } // storage may be forbidden
  }
  function remember(value) {
    try { localStorage.setItem("sopilot-language", value); } catch { return; }
  }
  for (const input of document.querySelectorAll("[name=language]")) {
    input.addEventListener("change", () => { remember(input.value); speak(input.value); });
  }
  const known = remembered();
  speak(known === "en" || known === "ja" ? known : navigator.language.startsWith("ja") ? "ja" : "en");
})();
