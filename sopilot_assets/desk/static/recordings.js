// The list: a chosen filter is shown at once, and "/" goes to the search.
import "/static/live.js";

const form = document.getElementById("filters");
const search = document.getElementById("search");

function show() {
  for (const field of form.elements) field.disabled = field.name !== "" && field.value === "";
  form.submit();
}
form.addEventListener("change", (event) => event.target.matches("select, [type=checkbox], [type=date]") && show());
form.addEventListener("submit", (event) => { event.preventDefault(); show(); });
window.addEventListener("pageshow", () => { for (const field of form.elements) field.disabled = false; });

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select")) return;
  event.preventDefault();
  search.focus();
  search.select();
});
