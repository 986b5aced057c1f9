// What making a recording a gold would change, worked out when somebody asks.
import { filled } from "./step_files.js";

const FEW_PEOPLE = 20;
const button = document.getElementById("try");
const shown = document.getElementById("tried");
const words = JSON.parse(document.getElementById("trial-words").textContent);

function say(...lines) {
  shown.replaceChildren(...lines.map((text) => Object.assign(document.createElement("p"), { textContent: text })));
}

function told(found) {
  if (found.error) return [found.error];
  const left = found.tried ? [filled(words.left, found), ...(found.people < FEW_PEOPLE ? [words.few] : [])] : [words.none];
  const powers = found.powers.map((one) => filled(words.power, one));
  return [...left, ...(powers.length ? powers : [words.strong])];
}

async function tried() {
  try {
    const answer = await fetch(button.dataset.address, { headers: { Accept: "application/json" } });
    return told(await answer.json());
  } catch {
    return [words.lost];
  }
}

button.addEventListener("click", async () => {
  button.disabled = true;
  say(words.sending);
  say(...(await tried()));
  button.disabled = false;
});
