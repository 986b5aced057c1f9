// The table of steps beside the video, with times to type, and warnings as sentences.
import { retimed, timeIn, timeText } from "./marking_model.js";

/** Fill the table's body; `acts` are select, seek, change and remove. */
export function fillTable(body, { marks, selected, data, words }, acts, end) {
  if (body.contains(document.activeElement) && document.activeElement.matches("input")) {
    document.activeElement.blur();
  }
  body.replaceChildren(...marks.map((mark, place) => row(mark, place)));

  function row(mark, place) {
    const step = data.steps[mark.step];
    const line = document.createElement("tr");
    line.classList.toggle("selected", place === selected);
    line.classList.toggle("proposed", mark.proposed);
    const go = Object.assign(document.createElement("button"), { className: "go", textContent: `${mark.step + 1} ${step.name}` });
    go.style.setProperty("--colour", step.colour);
    go.dataset.proposal = words.proposal;
    go.setAttribute("aria-label", `${words.go} ${go.textContent}${mark.proposed ? `, ${words.proposal}` : ""}`);
    go.addEventListener("click", () => { acts.select(place); acts.seek(mark.start); });
    const remove = Object.assign(document.createElement("button"), { textContent: "✕", className: "quiet" });
    remove.setAttribute("aria-label", `${words.remove} ${step.name}`);
    remove.addEventListener("click", () => acts.remove(place));
    line.append(...[go, time(place, "start"), time(place, "end"), remove].map(cell));
    return line;
  }

  function time(place, side) {
    const mark = marks[place];
    const input = Object.assign(document.createElement("input"), { value: timeText(mark[side]), inputMode: "decimal" });
    input.setAttribute("aria-label", `${data.steps[mark.step].name} ${side === "start" ? words.from : words.to}`);
    input.addEventListener("focus", () => acts.seek(mark[side]));
    input.addEventListener("keydown", (event) => { if (event.key === "Enter") input.blur(); });
    input.addEventListener("change", () => {
      const typed = timeIn(input.value);
      const times = { start: mark.start, end: mark.end, [side]: typed };
      const changed = typed === null ? null : retimed(marks, place, times.start, times.end, end);
      input.setAttribute("aria-invalid", String(changed === null));
      input.title = changed === null ? words.wrong_time : "";
      if (changed) acts.change(changed);
    });
    return input;
  }
}

function cell(content) {
  const found = document.createElement("td");
  found.append(content);
  return found;
}

/** Warnings of the model as list items. */
export function warningTexts(found, data, words) {
  return found.map(({ kind, step, before, lasts, usually }) => {
    const values = { step: data.steps[step].name, before: data.steps[before]?.name, lasts: lasts?.toFixed(1), usually: usually?.toFixed(1) };
    const text = words[kind].replace(/\{(\w+)\}/g, (_, name) => values[name]);
    return Object.assign(document.createElement("li"), { textContent: text });
  });
}
