// The page of a recording: what is said is sent without leaving the page, so that the players stay where they
// are; and videos that are being prepared are played once they are there.
import { takeParts } from "/static/live.js";

async function send(form, button) {
  const fields = new FormData(form);
  if (button?.name) fields.append(button.name, button.value);
  const answer = await fetch(form.action, {
    method: "POST", headers: { accept: "application/json" }, body: new URLSearchParams(fields),
  });
  if (answer.ok) return takeParts(await answer.text(), form);
  const refused = form.querySelector(".refused");
  refused.textContent = (await answer.json()).error;
  refused.hidden = false;
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.action.endsWith("/say")) return;
  event.preventDefault();
  send(form, event.submitter).catch(() => form.submit());
});

const preparing = document.getElementById("preparing");
async function ready(address) {
  for (;;) {
    const answer = await fetch(address, { headers: { accept: "application/json" } }).catch(() => null);
    const state = answer?.ok ? await answer.json() : null;
    if (state?.ready) return true;
    if (state?.failed) { preparing.textContent = state.text; return false; }
    await new Promise((done) => setTimeout(done, 2000));
  }
}
const states = preparing.dataset.states.split(" ").filter(Boolean);
Promise.all(states.map(async (address) => {
  if (!(await ready(address))) return false;
  const path = address.replace(/\/state$/, "");
  for (const video of document.querySelectorAll("video")) if (video.getAttribute("src") === path) video.load();
  return true;
})).then((all) => { if (all.every(Boolean)) preparing.hidden = true; });
