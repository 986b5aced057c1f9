// Files of steps that a person sends to be looked at; what they say is only taken once it is confirmed.

/** What the desk says of a file at an address: its answer, or {error} with the reason. */
export async function sent(address, file, lost) {
  const url = new URL(address, location.href);
  url.searchParams.set("name", file.name);
  try {
    const headers = { Accept: "application/json", "Content-Type": "application/octet-stream" };
    const answer = await fetch(url, { method: "POST", body: file, headers });
    const told = await answer.json();
    return answer.ok ? told : { error: told.error ?? lost };
  } catch {
    return { error: lost };
  }
}

export const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
