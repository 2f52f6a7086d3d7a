// What the page asks of the server.

const READ = 15_000; // ms until an answer comes no more

/** Why there is no answer, in words. The status is the server's; none where it was not reached. */
class AskError extends Error {
  constructor(text, status) {
    super(text);
    this.status = status;
  }
}

/** The server's answer, as JSON; with a message it is a POST. An Error says why there is none. */
export async function ask(path, message, limit = READ) {
  const options = message && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(message),
  };
  let answer, text;
  try {
    answer = await fetch(path, { ...options, signal: AbortSignal.timeout(limit) });
    text = await answer.text();
  } catch {
    throw new AskError("the server does not answer");
  }
  if (answer.ok) return JSON.parse(text);
  let error = text.slice(0, 300) || answer.statusText;
  try {
    error = JSON.parse(text).error;
  } catch { /* it is plain text */ }
  throw new AskError(error, answer.status);
}

/** The address of a crop's picture. */
export const picture = (dataset, row) => `api/picture/${dataset}/${row}`;
