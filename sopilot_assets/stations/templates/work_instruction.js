// The button that prints a work instruction.
for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => print());
