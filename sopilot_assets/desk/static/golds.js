// The list of golds: steps taken from a CSV file.
for (const row of document.querySelectorAll("[data-sheet]")) {
  const said = row.querySelector("[role=status]");
  row.querySelector("input").addEventListener("change", async (event) => {
    const file = event.target.files[0];
    event.target.value = "";
    if (file) await take(row.dataset.sheet, file, said);
  });
}

async function take(address, file, said) {
  const tell = (text, wrong) => {
    said.className = wrong ? "wrong" : "";
    said.textContent = text;
  };
  let answer, told;
  try {
    answer = await fetch(address, { method: "POST", body: file, headers: { Accept: "application/json", "Content-Type": "text/csv" } });
    told = await answer.json();
  } catch {
    return tell(said.dataset.lost, true);
  }
  if (!answer.ok) return tell(told.error, true);
  const lines = ["taken", "same", "strangers"].filter((name) => told[name].length).map((name) => `${said.dataset[name]} ${told[name].join(", ")}`);
  tell(lines.join("\n") || said.dataset.none, false);
  if (told.taken.length) setTimeout(() => location.reload(), 1200);
}
