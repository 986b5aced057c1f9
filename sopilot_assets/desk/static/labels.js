// The overview of what is to be labelled, and what others said: Enter goes on.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.target.closest("a, button, input, textarea, select, summary")) return;
  const on = document.querySelector("#go-on, .begin");
  if (on) location.assign(on.href);
});
