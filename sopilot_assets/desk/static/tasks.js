// The form of a procedure: steps added, removed and moved.
const steps = document.getElementById("steps");
const blank = document.getElementById("blank");

function marked() {
  const rows = [...steps.children];
  rows.forEach((row, number) => {
    row.querySelector(".up").disabled = number === 0;
    row.querySelector(".down").disabled = number === rows.length - 1;
    row.querySelector(".remove").disabled = rows.length === 1;
  });
  steps.dispatchEvent(new Event("rows"));
}

function add() {
  steps.append(blank.content.cloneNode(true));
  marked();
  steps.lastElementChild.querySelector("input:not([type=hidden])").focus();
}

steps.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  const row = button?.closest(".step");
  if (!row) return;
  if (button.matches(".up")) row.previousElementSibling.before(row);
  if (button.matches(".down")) row.nextElementSibling.after(row);
  if (button.matches(".remove")) {
    (row.nextElementSibling ?? row.previousElementSibling).querySelector("input:not([type=hidden])").focus();
    row.remove();
  } else if (!button.disabled) button.focus();
  marked();
});

steps.addEventListener("keydown", (event) => {
  if (event.isComposing || event.keyCode === 229) return; // Enter ends what is written in Japanese; Safari has 229
  if (event.key !== "Enter" || !event.target.matches("input:not([type=checkbox])")) return;
  event.preventDefault(); // Enter goes on to the next step instead of sending the form
  const next = event.target.closest(".step").nextElementSibling;
  if (next) next.querySelector("input:not([type=hidden])").focus();
  else add();
});

document.getElementById("add").addEventListener("click", add);
marked();
