// The form of a procedure that is changed: which steps a step comes after, chosen among the others.
const steps = document.getElementById("steps");
const rows = () => [...steps.children];
const field = (row, name) => row.querySelector(`[name="step_${name}"]`);
let made = 0;

function nameOf(row) {
  const own = document.documentElement.lang === "ja" ? ["name_ja", "name"] : ["name", "name_ja"];
  const said = own.map((name) => field(row, name).value.trim()).find(Boolean);
  return `${rows().indexOf(row) + 1} ${said ?? ""}`;
}

function choices(row) {
  const box = row.querySelector(".after");
  box.hidden = field(row, "place").value !== "these";
  const chosen = new Set(field(row, "after").value.split(" ").filter(Boolean));
  for (const old of box.querySelectorAll("label")) old.remove();
  if (box.hidden) return;
  for (const other of rows()) {
    if (other === row) continue;
    const label = document.createElement("label");
    const tick = document.createElement("input");
    tick.type = "checkbox";
    tick.value = field(other, "key").value;
    tick.checked = chosen.has(tick.value);
    label.append(tick, nameOf(other));
    box.append(label);
  }
}

function all() {
  for (const row of rows()) if (!field(row, "key").value) field(row, "key").value = `new-${++made}-${Date.now()}`;
  rows().forEach(choices);
}

steps.addEventListener("rows", all);
steps.addEventListener("change", (event) => {
  const row = event.target.closest(".step");
  if (event.target.type === "checkbox") {
    const ticks = [...row.querySelectorAll(".after input:checked")];
    field(row, "after").value = ticks.map((tick) => tick.value).join(" ");
  } else all();
});
all();

// whoever leaves with something changed is asked
const form = document.getElementById("edit");
let touched = document.getElementById("change") !== null;
form.addEventListener("input", () => { touched = true; });
steps.addEventListener("rows", () => { touched = true; });
form.addEventListener("submit", () => { touched = false; });
addEventListener("beforeunload", (event) => { if (touched) event.preventDefault(); });
