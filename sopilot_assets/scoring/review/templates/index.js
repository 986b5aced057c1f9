"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const rows = [...document.querySelectorAll("tbody tr")];

  function matches(row) {
    const wanted = { task: $("by-task").value, decision: $("by-decision").value };
    const kind = $("by-type").value, words = $("by-text").value.toLowerCase().split(/\s+/).filter(Boolean);
    return (!wanted.task || row.dataset.task === wanted.task)
      && (!wanted.decision || row.dataset.decision === wanted.decision)
      && (!kind || row.dataset.types.split(" ").includes(kind))
      && ($("golds").checked || row.dataset.gold !== "yes")
      && words.every((word) => row.dataset.search.includes(word));
  }
  function filter() {
    let shown = 0;
    for (const row of rows) {
      row.hidden = !matches(row);
      if (!row.hidden) shown += 1;
    }
    $("shown").textContent = `${shown} / ${rows.length}`;
  }
  function speak(language) {
    $(`lang-${language}`).checked = true;
    document.documentElement.lang = language;
    for (const option of document.querySelectorAll("option[data-en]")) option.textContent = option.dataset[language];
  }
  function remembered() {
    try { return localStorage.getItem("sopilot-language"); } catch { return null; } // storage may be forbidden
  }
  function remember(value) {
    try { localStorage.setItem("sopilot-language", value); } catch { return; }
  }

  $("filters").hidden = false;
  $("filters").addEventListener("input", filter);
  for (const input of document.querySelectorAll("[name=language]")) {
    input.addEventListener("change", () => { remember(input.value); speak(input.value); });
  }
  const known = remembered();
  speak(known === "en" || known === "ja" ? known : navigator.language.startsWith("ja") ? "ja" : "en");
  filter();
})();
